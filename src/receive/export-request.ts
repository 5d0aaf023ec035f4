import { TasktrailError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import type { OtlpKeyValue, OtlpScope } from '../model/otlp.ts';
import { readKeyValues } from './any-value.ts';
import { Check, isAbsent, readObject, readText } from './fields.ts';
import { REPEATED_BYTES_MAX, REPEATED_PROBLEM } from './outline/limits.ts';
import type { IngestResult } from './sink.ts';

/** The fields of a signal's request that contain its records, and the functions that read them. */
export interface RequestLayout<Resource, Received> {
  readonly resources: string;
  readonly scopes: string;
  readonly records: string;
  /** Called once per resource, not once per record. */
  resource(attributes: OtlpKeyValue[]): Resource;
  /** Whether each record is stored with its resource. */
  readonly repeatsResource: boolean;
  read(raw: JsonObject, origin: Origin<Resource>, check: Check): Received;
}

export interface Origin<Resource> {
  readonly resource: Resource;
  readonly scope: OtlpScope;
}

/** Reads the parts of one request in their order: the request, its resource entries, their scopes, their records. */
export interface RequestReader<Received> {
  /** The request; its resource entries are read apart. Throws `ERR_INPUT_INVALID` when it is none. */
  begin(request: unknown): void;
  /** A resource entry; its scope entries are read apart. False when nothing below it can be read. */
  openResource(entry: unknown): boolean;
  /** A scope entry of the open resource; its records are read apart. False when nothing below it can be read. */
  openScope(entry: unknown): boolean;
  /** Records of the open scope. */
  add(records: readonly unknown[]): void;
  /** Records that are not read, for their size. */
  reject(reason: string, count: number): void;
  /** Number of valid records since the last `take`, and the bytes of the resources that they repeat. */
  readonly size: number;
  readonly repeatedBytes: number;
  /** The valid records since the last call. */
  take(): Received[];
  /** Throws `ERR_INPUT_INVALID` when nothing was understood: a success would hide the loss. */
  finish(): ReadingResult;
}

/** What is said of a request beside its valid records. */
export interface ReadingResult extends IngestResult {
  /** About records that were kept; absent when there are none. */
  readonly warnings?: readonly string[];
}

/**
 * Reads an export request in its OTLP/JSON shape, the result of both encodings. An invalid record is rejected alone. A
 * resource or scope entry that is not an object, or has something else than a list of records, counts as one rejected
 * record. A request of which nothing was understood is malformed.
 */
export function openRequest<Resource, Received>(
  layout: RequestLayout<Resource, Received>,
): RequestReader<Received> {
  return new Reading(layout);
}

interface OpenResource<Resource> {
  readonly plain: Resource;
  readonly problem: string | undefined;
  /** As each record repeats it. */
  readonly bytes: number;
}

class Reading<Resource, Received> implements RequestReader<Received> {
  readonly #layout: RequestLayout<Resource, Received>;
  readonly #refused = new Map<string, number>();
  readonly #warnings = new Set<string>();
  /** What was not understood above the records. */
  readonly #strange = new Set<string>();
  #items: Received[] = [];
  #isAnyKept = false;
  #repeatedBytes = 0;
  #repeatedBytesOfAll = 0;
  #resource: OpenResource<Resource> | undefined;
  #scope: { readonly origin: Origin<Resource>; readonly problem: string | undefined } | undefined;

  constructor(layout: RequestLayout<Resource, Received>) {
    this.#layout = layout;
  }

  get size(): number {
    return this.#items.length;
  }

  get repeatedBytes(): number {
    return this.#repeatedBytes;
  }

  begin(request: unknown): void {
    const { resources } = this.#layout;
    if (!isJsonObject(request)) throw malformed('the request is not an object');
    const list = request[resources];
    if (!Array.isArray(list) && !isAbsent(list)) throw malformed(`${resources} is not an array`);
    const elsewhere = ELSEWHERE.find(([name]) => name !== resources && !isAbsent(request[name]));
    if (elsewhere !== undefined) this.#strange.add(elsewhere[1]);
    else if (isAbsent(list)) checkEmpty(request, resources);
  }

  openResource(entry: unknown): boolean {
    const { resources, scopes, resource: readResource, repeatsResource } = this.#layout;
    if (!isJsonObject(entry)) {
      this.reject(`an entry of ${resources} is not an object`, 1);
      return false;
    }
    const check = new Check();
    const raw = readObject(entry.resource, 'resource', check);
    const plain = readResource(readKeyValues(raw?.attributes, 'the attributes of the resource', check));
    const bytes = repeatsResource ? JSON.stringify(plain).length : 0;
    this.#resource = { plain, problem: check.problem, bytes };
    return this.#isList(entry, scopes);
  }

  openScope(entry: unknown): boolean {
    const { scopes, records } = this.#layout;
    if (!isJsonObject(entry) || this.#resource === undefined) {
      this.reject(`an entry of ${scopes} is not an object`, 1);
      return false;
    }
    const check = new Check();
    if (this.#resource.problem !== undefined) check.refuse(this.#resource.problem);
    const raw = readObject(entry.scope, 'scope', check);
    const name = readText(raw?.name, 'the name of the scope', check);
    const version = readText(raw?.version, 'the version of the scope', check);
    const scope = { name, ...(version === '' ? undefined : { version }) };
    this.#scope = { origin: { resource: this.#resource.plain, scope }, problem: check.problem };
    return this.#isList(entry, records);
  }

  add(records: readonly unknown[]): void {
    for (const record of records) this.#read(record);
  }

  reject(reason: string, count: number): void {
    if (count > 0) this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + count);
  }

  take(): Received[] {
    const items = this.#items;
    this.#items = [];
    this.#repeatedBytes = 0;
    return items;
  }

  finish(): ReadingResult {
    if (!this.#isAnyKept && this.#refused.size === 0 && this.#strange.size > 0) {
      throw malformed([...this.#strange].join('; '));
    }
    for (const reason of this.#strange) this.reject(reason, 1);
    const warnings = this.#warnings;
    return { ...(warnings.size > 0 && { warnings: [...warnings] }), ...summary(this.#refused) };
  }

  #read(record: unknown): void {
    if (this.#scope === undefined) return;
    const { origin, problem } = this.#scope;
    if (problem !== undefined) this.reject(problem, 1);
    else if (!isJsonObject(record)) this.reject('a record is not an object', 1);
    else {
      const check = new Check();
      const received = this.#layout.read(record, origin, check);
      if (check.warning !== undefined) this.#warnings.add(check.warning);
      if (check.problem !== undefined) this.reject(check.problem, 1);
      else this.#keep(received);
    }
  }

  #keep(received: Received): void {
    const { bytes = 0 } = this.#resource ?? {};
    this.#repeatedBytesOfAll += bytes;
    if (this.#repeatedBytesOfAll > REPEATED_BYTES_MAX) {
      this.reject(REPEATED_PROBLEM, 1);
      return;
    }
    this.#repeatedBytes += bytes;
    this.#isAnyKept = true;
    this.#items.push(received);
  }

  /** Whether the field of an entry is a list. A list under another name, as older versions of OTLP have it, holds records. */
  #isList(entry: JsonObject, field: string): boolean {
    const list = entry[field];
    if (Array.isArray(list)) return true;
    if (!isAbsent(list)) this.reject(`${field} is not an array`, 1);
    else if (Object.values(entry).some((value) => Array.isArray(value) && value.some(isJsonObject))) {
      this.#strange.add(`an entry has another list in place of ${field}`);
    }
    return false;
  }
}

/** Fields of the requests at the other paths, and what to do with such a request. */
const ELSEWHERE: readonly (readonly [string, string])[] = [
  ['resourceLogs', 'these are logs: send them to /v1/logs'],
  ['resourceSpans', 'these are traces: send them to /v1/traces'],
  ['resourceMetrics', 'these are metrics, which are not taken here'],
  ['resource_metrics', 'these are metrics, which are not taken here'],
];

/** A request without records is valid, also with fields that are new. A list or an object in such a field holds records. */
function checkEmpty(request: JsonObject, expected: string): void {
  const isFilled = Object.values(request).some((value) => typeof value === 'object' && value !== null);
  if (isFilled) throw malformed(`it has no ${expected}, but lists or objects under other names`);
}

function summary(refused: ReadonlyMap<string, number>): IngestResult {
  let rejected = 0;
  const reasons: string[] = [];
  for (const [reason, times] of refused) {
    rejected += times;
    reasons.push(times === 1 ? reason : `${reason} (${times} times)`);
  }
  return { rejected, reasons };
}

function malformed(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `malformed request: ${message}`);
}
