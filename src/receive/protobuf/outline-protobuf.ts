import type { Message } from '../../model/otlp-messages.ts';
import { ENTRY_BYTES_MAX } from '../outline/limits.ts';
import type { Outline, RecordGroup, RecordPath, ResourceOutline, ScopeOutline } from '../outline/outline.ts';
import { readingProtobuf } from './decode-protobuf.ts';
import { type Decoded, MessageReader, malformed } from './message-reader.ts';
import { type ScannedEntry, type ScannedRequest, scanProtobuf } from './scan-protobuf.ts';

/** Most records and bytes of a group that is decoded at once. */
const GROUP_RECORDS = 64;
const GROUP_BYTES = 65_536;

/**
 * The outline of an OTLP/protobuf body. Stops regularly, so that other work can run. Throws `ERR_INPUT_INVALID` and
 * `ERR_TOO_LARGE` for any part of the body.
 */
export function* outlineProtobuf(body: Buffer, message: Message, path: RecordPath): Generator<void, Outline> {
  const scan = scanProtobuf(body, message);
  for (;;) {
    const { done, value } = readingProtobuf(() => scan.next());
    if (done) return outlineOf(body, value, { message, path });
    yield;
  }
}

interface Layout {
  readonly message: Message;
  readonly path: RecordPath;
}

function outlineOf(body: Buffer, scanned: ScannedRequest, layout: Layout): Outline {
  // Any text of some bytes can be read as unknown fields.
  if (body.length > 0 && !scanned.isKnown) throw malformed('no field of it is known');
  const { resources } = layout.path;
  return {
    request: scanned.resources.length === 0 ? {} : { [resources]: [] },
    resources: new Entries(body, scanned, layout).resources(),
  };
}

class Entries {
  readonly #scanned: ScannedRequest;
  readonly #path: RecordPath;
  readonly #reader: MessageReader;
  readonly #resourceEntry: Message;
  readonly #scopeEntry: Message;
  readonly #record: Message;

  constructor(body: Buffer, scanned: ScannedRequest, { message, path }: Layout) {
    this.#reader = new MessageReader(body);
    this.#scanned = scanned;
    this.#path = path;
    this.#resourceEntry = messageOfField(message, path.resources);
    this.#scopeEntry = messageOfField(this.#resourceEntry, path.scopes);
    this.#record = messageOfField(this.#scopeEntry, path.records);
  }

  *resources(): Generator<ResourceOutline> {
    for (const scanned of this.#scanned.resources) {
      const scopes = scanned.scopes.length > 0 && { [this.#path.scopes]: [] };
      yield isLarge(scanned)
        ? { entry: {}, scopes: [], rejected: scanned.to - scanned.from }
        : {
            entry: { ...this.#about(scanned, this.#resourceEntry, 'resource'), ...scopes },
            scopes: this.#scopes(scanned),
          };
    }
  }

  *#scopes(resource: ScannedEntry): Generator<ScopeOutline> {
    for (const scanned of resource.scopes) {
      const records = scanned.to > scanned.from && { [this.#path.records]: [] };
      yield isLarge(scanned)
        ? { entry: {}, records: [], rejected: scanned.to - scanned.from }
        : {
            entry: { ...this.#about(scanned, this.#scopeEntry, 'scope'), ...records },
            records: this.#groups(scanned),
          };
    }
  }

  *#groups({ from, to }: ScannedEntry): Generator<RecordGroup> {
    const { records, rejected } = this.#scanned;
    for (let index = from; index < to; ) {
      const reason = rejected.get(index);
      if (reason !== undefined) {
        index += 1;
        yield { rejected: reason };
        continue;
      }
      const first = records.startOf(index);
      const group: Decoded[] = [];
      let end = first;
      while (
        index < to &&
        group.length < GROUP_RECORDS &&
        end - first < GROUP_BYTES &&
        !rejected.has(index)
      ) {
        end = records.endOf(index);
        group.push(this.#reader.readAt(this.#record, records.startOf(index), end));
        index += 1;
      }
      yield { records: group, bytes: end - first };
    }
  }

  #about({ about }: ScannedEntry, entry: Message, field: string): Decoded {
    if (about === undefined) return {};
    return { [field]: this.#reader.readAt(messageOfField(entry, field), about.start, about.end) };
  }
}

function isLarge({ about }: ScannedEntry): boolean {
  return about !== undefined && about.end - about.start > ENTRY_BYTES_MAX;
}

function messageOfField(message: Message, name: string): Message {
  for (const { name: own, type } of message.values()) {
    if (own === name && typeof type !== 'string') return type;
  }
  throw new TypeError(`there is no message in ${name}`);
}
