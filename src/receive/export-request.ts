import { TasktrailError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import type { OtlpKeyValue, OtlpScope } from '../model/otlp.ts';
import { readKeyValues } from './any-value.ts';
import { Check, isAbsent, readObject, readText } from './fields.ts';
import type { IngestResult } from './sink.ts';

/** The fields of a signal's request that contain its records, and the functions that read them. */
export interface RequestLayout<Resource, Received> {
  readonly resources: string;
  readonly scopes: string;
  readonly records: string;
  /** Called once per resource, not once per record. */
  resource(attributes: OtlpKeyValue[]): Resource;
  read(raw: JsonObject, origin: Origin<Resource>, check: Check): Received;
}

export interface Origin<Resource> {
  readonly resource: Resource;
  readonly scope: OtlpScope;
}

/** The valid records of a request in their order, and the number and reasons of the rejected ones. */
export interface Reading<Received> extends IngestResult {
  readonly items: readonly Received[];
  /** About records that were kept; absent when there are none. */
  readonly warnings?: readonly string[];
}

/**
 * Reads an export request in its OTLP/JSON shape, the result of both encodings. An invalid record is rejected alone. A
 * resource or scope entry that is not an object, or has something else than a list of records, counts as one rejected
 * record. A request of which nothing was understood is malformed: a success would hide the loss.
 */
export function readRequest<Resource, Received>(
  request: unknown,
  layout: RequestLayout<Resource, Received>,
): Reading<Received> {
  if (!isJsonObject(request)) throw malformed('the request is not an object');
  const tally: Tally<Received> = { items: [], refused: new Map(), warnings: new Set(), strange: new Set() };
  const resources = request[layout.resources];
  if (!Array.isArray(resources) && !isAbsent(resources))
    throw malformed(`${layout.resources} is not an array`);
  const elsewhere = ELSEWHERE.find(([name]) => name !== layout.resources && !isAbsent(request[name]));
  if (elsewhere !== undefined) tally.strange.add(elsewhere[1]);
  else if (isAbsent(resources)) checkEmpty(request, layout.resources);
  const refuse = (reason: string): void => count(tally.refused, reason);
  for (const resource of objectsIn(request, layout.resources, refuse)) {
    const check = new Check();
    const raw = readObject(resource.resource, 'resource', check);
    const plain = layout.resource(readKeyValues(raw?.attributes, 'the attributes of the resource', check));
    noteStrange(resource, layout.scopes, tally);
    for (const scope of objectsIn(resource, layout.scopes, refuse)) {
      noteStrange(scope, layout.records, tally);
      readScope({ raw: scope, resource: plain, problem: check.problem }, layout, tally);
    }
  }
  const { items, refused, warnings, strange } = tally;
  if (items.length === 0 && refused.size === 0 && strange.size > 0) throw malformed([...strange].join('; '));
  for (const reason of strange) count(refused, reason);
  return { items, ...(warnings.size > 0 && { warnings: [...warnings] }), ...summary(refused) };
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

/** A list under another name in place of the expected one, as older versions of OTLP have it, holds records. */
function noteStrange<Received>(entry: JsonObject, expected: string, { strange }: Tally<Received>): void {
  if (!isAbsent(entry[expected])) return;
  const isList = (value: unknown): boolean => Array.isArray(value) && value.some(isJsonObject);
  if (Object.values(entry).some(isList)) strange.add(`an entry has another list in place of ${expected}`);
}

interface Tally<Received> {
  readonly items: Received[];
  readonly refused: Map<string, number>;
  readonly warnings: Set<string>;
  /** What was not understood above the records. */
  readonly strange: Set<string>;
}

interface ScopeEntry<Resource> {
  readonly raw: JsonObject;
  readonly resource: Resource;
  /** The problem of the resource, which applies to every record below it. */
  readonly problem: string | undefined;
}

function readScope<Resource, Received>(
  entry: ScopeEntry<Resource>,
  layout: RequestLayout<Resource, Received>,
  tally: Tally<Received>,
): void {
  const check = new Check();
  if (entry.problem !== undefined) check.refuse(entry.problem);
  const raw = readObject(entry.raw.scope, 'scope', check);
  const name = readText(raw?.name, 'the name of the scope', check);
  const version = readText(raw?.version, 'the version of the scope', check);
  const scope = { name, ...(version === '' ? undefined : { version }) };
  const origin = { resource: entry.resource, scope };
  for (const record of listIn(entry.raw, layout.records, (reason) => count(tally.refused, reason))) {
    const recordCheck = new Check();
    if (check.problem !== undefined) recordCheck.refuse(check.problem);
    else if (isJsonObject(record)) {
      const received = layout.read(record, origin, recordCheck);
      if (recordCheck.problem === undefined) tally.items.push(received);
      if (recordCheck.warning !== undefined) tally.warnings.add(recordCheck.warning);
    } else recordCheck.refuse('a record is not an object');
    count(tally.refused, recordCheck.problem);
  }
}

function count(refused: Map<string, number>, reason: string | undefined): void {
  if (reason !== undefined) refused.set(reason, (refused.get(reason) ?? 0) + 1);
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

type Refuse = (reason: string) => void;

function* objectsIn(parent: JsonObject, field: string, refuse: Refuse): Iterable<JsonObject> {
  for (const item of listIn(parent, field, refuse)) {
    if (isJsonObject(item)) yield item;
    else refuse(`an entry of ${field} is not an object`);
  }
}

function listIn(parent: JsonObject, field: string, refuse: Refuse): readonly unknown[] {
  const list = parent[field];
  if (Array.isArray(list)) return list;
  if (!isAbsent(list)) refuse(`${field} is not an array`);
  return [];
}

function malformed(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `malformed request: ${message}`);
}
