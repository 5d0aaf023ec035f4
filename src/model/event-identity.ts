import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import type { NodeId } from './workflow-node.ts';

/** Objects of a payload whose fields the payload schemas declare. Deeper data belongs to the caller. */
const SCHEMA_OBJECTS: ReadonlySet<string> = new Set(['artifact', 'context', 'step']);

/**
 * The payload without the names of its node and without empty fields. The API, `emit` and the `workflow` command write the
 * payload of the same event in different forms: with or without the phase and the step, and with null, `[]` or `{}` for
 * an absent field. All forms have the same identity. Compare identities with `canonicalJson`.
 */
export function eventIdentity(payload: JsonValue, node: NodeId): JsonValue {
  if (!isJsonObject(payload)) return payload;
  const kept: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(payload)) {
    const item = SCHEMA_OBJECTS.has(name) && isJsonObject(value) ? presentFields(value) : value;
    const rest = name === 'step' ? withoutName(item, node.step) : item;
    if (isPresent(rest) && !(name === 'phase' && rest === node.phase)) kept.push([name, rest]);
  }
  // From entries: an assignment to `__proto__` would not make a field.
  return Object.fromEntries(kept);
}

/** The step of a payload without its name, if that is the name of the node. */
function withoutName(step: JsonValue | undefined, name: string | null): JsonValue | undefined {
  if (!isJsonObject(step)) return step === name ? undefined : step;
  if (step.name !== name) return step;
  return Object.fromEntries(Object.entries(step).filter(([field]) => field !== 'name'));
}

function presentFields(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => isPresent(item)));
}

function isPresent(value: JsonValue | undefined): value is JsonValue {
  if (value === undefined || value === null) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}
