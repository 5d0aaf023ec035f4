import type { Message } from '../../model/otlp-messages.ts';
import { RECORD_MAX, RequestCount, recordProblem } from '../outline/limits.ts';
import { type ByteRange, Ranges } from '../outline/ranges.ts';
import { checkWire, MESSAGE_DEPTH_MAX, malformed } from './message-reader.ts';
import { SCALARS } from './scalars.ts';
import { WireReader } from './wire-reader.ts';
import { WIRE_TYPE } from './wire-type.ts';

/** Fields between two stops of a scan. */
const FIELDS_A_STEP = 2_048;

/** Where the parts of a request are. */
export interface ScannedRequest {
  /** Whether any field of it is known. */
  readonly isKnown: boolean;
  readonly resources: readonly ScannedEntry[];
  readonly records: Ranges;
  /** Reasons of the records that are too large to be read, by their index. */
  readonly rejected: ReadonlyMap<number, string>;
}

/** A resource or scope entry. */
export interface ScannedEntry {
  /** The message that describes the entry: its resource or scope. */
  about: ByteRange | undefined;
  readonly scopes: ScannedEntry[];
  /** Index of the first record, and the one after the last. */
  readonly from: number;
  to: number;
}

/**
 * Scans a request without building anything of it: checks the wire format, counts, and finds the records. Stops
 * regularly, so that other work can run. Throws `ERR_INPUT_INVALID`, `ERR_TOO_LARGE`, and `RangeError` for a body that
 * ends too early.
 */
export function* scanProtobuf(body: Buffer, request: Message): Generator<void, ScannedRequest> {
  const scan = new Scan(body, request);
  while (scan.step()) yield;
  return scan;
}

class Scan implements ScannedRequest {
  readonly resources: ScannedEntry[] = [];
  readonly records: Ranges = new Ranges();
  readonly rejected: Map<number, string> = new Map();
  isKnown = false;
  readonly #reader: WireReader;
  readonly #count = new RequestCount();
  readonly #resourceEntry: Message | undefined;
  readonly #scopeEntry: Message | undefined;
  readonly #record: Message | undefined;
  /** The open messages, outermost first, and where they end. */
  readonly #messages: Message[];
  readonly #ends: number[];
  #end: number;
  #values = 0;
  #recordStart = 0;

  constructor(body: Buffer, request: Message) {
    this.#reader = new WireReader(body);
    this.#messages = [request];
    this.#ends = [body.length];
    this.#end = body.length;
    this.#resourceEntry = listedIn(request);
    this.#scopeEntry = listedIn(this.#resourceEntry);
    this.#record = listedIn(this.#scopeEntry);
  }

  /** Scans some fields. False when the end is reached. */
  step(): boolean {
    const reader = this.#reader;
    for (let fields = 0; fields < FIELDS_A_STEP; fields += 1) {
      while (reader.pos >= this.#end) {
        if (reader.pos > this.#end) throw malformed('a field ends after the message that contains it');
        if (!this.#close()) return false;
      }
      this.#readField();
    }
    return true;
  }

  #readField(): void {
    const reader = this.#reader;
    const tag = reader.tag();
    const wire = tag & 7;
    const field = this.#messages[this.#messages.length - 1]?.get(tag >>> 3);
    if (field === undefined) {
      reader.skip(wire);
      return;
    }
    this.isKnown = true;
    const { type } = field;
    if (typeof type === 'string') {
      checkWire(field, wire, SCALARS[type].wire);
      reader.skip(wire);
      return;
    }
    checkWire(field, wire, WIRE_TYPE.lengthDelimited);
    const end = reader.length() + reader.pos;
    this.#open(type, end);
    const isSkipped = this.#messages.length > MESSAGE_DEPTH_MAX || this.#values > RECORD_MAX.values;
    this.#messages.push(type);
    this.#ends.push(end);
    this.#end = end;
    if (isSkipped) reader.skipTo(end);
  }

  #open(type: Message, end: number): void {
    const start = this.#reader.pos;
    const from = this.records.length;
    if (type === this.#record) {
      this.#count.addRecord();
      this.#recordStart = start;
      this.#values = 0;
      return;
    }
    const resource = this.resources[this.resources.length - 1];
    const parent = this.#messages[this.#messages.length - 1];
    if (type === this.#resourceEntry) {
      this.#count.addEntry();
      this.resources.push({ about: undefined, scopes: [], from, to: from });
    } else if (type === this.#scopeEntry) {
      this.#count.addEntry();
      resource?.scopes.push({ about: undefined, scopes: [], from, to: from });
    } else {
      this.#count.addValue();
      this.#values += 1;
      const entry = parent === this.#resourceEntry ? resource : resource?.scopes[resource.scopes.length - 1];
      const isAbout = parent === this.#resourceEntry || parent === this.#scopeEntry;
      if (isAbout && entry !== undefined) entry.about = { start, end };
    }
  }

  /** False when the request itself ends. */
  #close(): boolean {
    const type = this.#messages.pop();
    this.#ends.pop();
    const end = this.#end;
    this.#end = this.#ends[this.#ends.length - 1] ?? 0;
    const resource = this.resources[this.resources.length - 1];
    if (type === this.#record) {
      const problem = recordProblem({ bytes: end - this.#recordStart, values: this.#values });
      if (problem !== undefined) this.rejected.set(this.records.length, problem);
      this.records.push(this.#recordStart, end);
      this.#values = 0;
    } else if (type === this.#scopeEntry || type === this.#resourceEntry) {
      const entry = type === this.#resourceEntry ? resource : resource?.scopes[resource.scopes.length - 1];
      if (entry !== undefined) entry.to = this.records.length;
      this.#values = 0;
    }
    return this.#ends.length > 0;
  }
}

/** The message of which the fields of a message have a list. */
function listedIn(message: Message | undefined): Message | undefined {
  for (const { repeated, type } of message?.values() ?? []) {
    if (repeated && typeof type !== 'string') return type;
  }
  return undefined;
}
