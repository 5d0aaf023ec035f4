import { isJsonObject, type JsonObject } from '../../model/json.ts';
import { LOGS_REQUEST, type Message, TRACES_REQUEST } from '../../model/otlp-messages.ts';

/** Nesting below which fields keep their names. Values there are too deep, so their record is refused. */
const DEPTH_MAX = 300;

/** An object key with an underscore. In OTLP/JSON no key is data: attribute keys are values of `key`. */
const HAS_SNAKE_KEY = /"[a-z]+_[a-z_]+"\s*:/;

/** `resource_logs` -> `resourceLogs`, for each field of the protocol with more than one word. */
const CAMEL_NAMES: ReadonlyMap<string, string> = new Map(
  [...namesIn(LOGS_REQUEST), ...namesIn(TRACES_REQUEST)]
    .map((name): [string, string] => [snakeName(name), name])
    .filter(([snake, name]) => snake !== name),
);

/**
 * The request with the field names of OTLP/JSON. Generic JSON encoders of protobuf write the names of the .proto files;
 * the collector reads those, too. `text` is the request as it came: most have no such name and stay as they are.
 */
export function withFieldNames(request: unknown, text: string): unknown {
  return HAS_SNAKE_KEY.test(text) ? renamed(request, 0) : request;
}

export function snakeName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renamed(value: unknown, depth: number): unknown {
  if (depth > DEPTH_MAX) return value;
  if (Array.isArray(value)) return value.map((item) => renamed(item, depth + 1));
  if (!isJsonObject(value)) return value;
  const fields: [string, unknown][] = [];
  for (const [name, field] of Object.entries(value)) {
    const camel = CAMEL_NAMES.get(name) ?? name;
    // The right name wins over the other one beside it.
    if (camel === name || !Object.hasOwn(value, camel)) fields.push([camel, renamed(field, depth + 1)]);
  }
  // From entries: an assignment to `__proto__` would not make a field.
  return Object.fromEntries(fields) as JsonObject;
}

function namesIn(message: Message, seen: Set<Message> = new Set()): ReadonlySet<string> {
  const names = new Set<string>();
  if (seen.has(message)) return names;
  seen.add(message);
  for (const { name, type } of message.values()) {
    names.add(name);
    if (typeof type === 'string') continue;
    for (const inner of namesIn(type, seen)) names.add(inner);
  }
  return names;
}
