import { messageOf, TasktrailError } from '../../errors.ts';
import { isJsonObject } from '../../model/json.ts';
import { parseWellFormed } from '../../model/text.ts';
import { ENTRY_BYTES_MAX } from '../outline/limits.ts';
import type { Outline, RecordGroup, RecordPath, ResourceOutline, ScopeOutline } from '../outline/outline.ts';
import { snakeName, withFieldNames } from './field-names.ts';
import { type ScannedJson, type ScannedList, type ScannedPart, scanJson } from './scan-json.ts';

/** Most records and bytes of a group that is parsed at once. */
const GROUP_RECORDS = 64;
const GROUP_BYTES = 65_536;

/**
 * The outline of an OTLP/JSON body. Stops regularly, so that other work can run. All of it is parsed once beforehand: a
 * body that is malformed at its end must not be stored in part. Throws `ERR_INPUT_INVALID` and `ERR_TOO_LARGE`.
 */
export function* outlineJson(body: Buffer, path: RecordPath): Generator<void, Outline> {
  const scanned = yield* scanJson(body, path);
  const outline = new Parts(body, scanned, path);
  for (const { scopes } of outline.resources) {
    for (const { records } of scopes) {
      for (const _group of records) yield;
      yield;
    }
    yield;
  }
  return outline;
}

class Parts implements Outline {
  readonly request: unknown;
  readonly #body: Buffer;
  readonly #scanned: ScannedJson;
  readonly #path: RecordPath;
  readonly #resources: readonly ScannedPart[];

  constructor(body: Buffer, scanned: ScannedJson, path: RecordPath) {
    this.#body = body;
    this.#scanned = scanned;
    this.#path = path;
    const raw = this.#parse(scanned.request);
    this.request = raw.value;
    this.#resources = listIn(raw, scanned.request, path.resources)?.entries ?? [];
  }

  get resources(): Iterable<ResourceOutline> {
    return this.#readResources();
  }

  *#readResources(): Generator<ResourceOutline> {
    for (const part of this.#resources) {
      if (isLarge(part)) {
        yield { entry: {}, scopes: [], rejected: recordsIn(part) };
        continue;
      }
      const parsed = this.#parse(part);
      const scopes = listIn(parsed, part, this.#path.scopes)?.entries ?? [];
      yield { entry: parsed.value, scopes: this.#readScopes(scopes) };
    }
  }

  *#readScopes(parts: readonly ScannedPart[]): Generator<ScopeOutline> {
    for (const part of parts) {
      if (isLarge(part)) {
        yield { entry: {}, records: [], rejected: recordsIn(part) };
        continue;
      }
      const parsed = this.#parse(part);
      const list = listIn(parsed, part, this.#path.records);
      yield { entry: parsed.value, records: list === undefined ? [] : this.#readGroups(list) };
    }
  }

  *#readGroups({ from, to }: ScannedList): Generator<RecordGroup> {
    const { records, rejected } = this.#scanned;
    for (let index = from; index < to; ) {
      const reason = rejected.get(index);
      if (reason !== undefined) {
        index += 1;
        yield { rejected: reason };
        continue;
      }
      // Neighbours have a comma between them, so that their text is a list without its brackets.
      const start = records.startOf(index);
      let end = start;
      for (let count = 0; index < to && count < GROUP_RECORDS && !rejected.has(index); count += 1) {
        if (count > 0 && records.endOf(index) - start > GROUP_BYTES) break;
        end = records.endOf(index);
        index += 1;
      }
      const { value } = parsedJson(`[${this.#body.toString('utf8', start, end)}]`);
      // The brackets make it a list.
      yield { records: value as readonly unknown[], bytes: end - start };
    }
  }

  /** A part without the insides of its lists. */
  #parse({ start, end, cuts }: ScannedPart): Parsed {
    if (isLarge({ start, end, cuts })) throw tooLarge();
    const pieces: Buffer[] = [];
    let from = start;
    for (const cut of cuts) {
      pieces.push(this.#body.subarray(from, cut.start));
      from = cut.end;
    }
    pieces.push(this.#body.subarray(from, end));
    return parsedJson(Buffer.concat(pieces).toString('utf8'));
  }
}

export interface Parsed {
  readonly raw: unknown;
  /** With the field names of OTLP/JSON. */
  readonly value: unknown;
}

/** Throws `ERR_INPUT_INVALID`. */
export function parsedJson(text: string): Parsed {
  try {
    const raw = parseWellFormed(text);
    return { raw, value: withFieldNames(raw, text) };
  } catch (error) {
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed JSON: ${messageOf(error)}`, { cause: error });
  }
}

/** The list in a field of a part, under the name that counts. Undefined when the field has something else. */
function listIn({ raw, value }: Parsed, { lists }: ScannedPart, field: string): ScannedList | undefined {
  if (!isJsonObject(value) || !Array.isArray(value[field])) return undefined;
  const isCamel = isJsonObject(raw) && Object.hasOwn(raw, field);
  return lists.get(isCamel ? field : snakeName(field));
}

type Sized = Pick<ScannedPart, 'start' | 'end' | 'cuts'>;

function isLarge({ start, end, cuts }: Sized): boolean {
  return end - start - cuts.reduce((sum, cut) => sum + cut.end - cut.start, 0) > ENTRY_BYTES_MAX;
}

/** Records of the lists below; the list of a scope has no entries of its own. */
function recordsIn({ lists }: ScannedPart): number {
  let count = 0;
  for (const { entries, from, to } of lists.values()) {
    if (entries.length === 0) count += to - from;
    for (const entry of entries) count += recordsIn(entry);
  }
  return count;
}

function tooLarge(): TasktrailError {
  return new TasktrailError(
    'ERR_TOO_LARGE',
    `the request has more than ${ENTRY_BYTES_MAX} bytes around its entries`,
  );
}
