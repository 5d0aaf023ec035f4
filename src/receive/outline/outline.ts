import { isJsonObject } from '../../model/json.ts';

/** The fields that lead to the records of a request. */
export interface RecordPath {
  readonly resources: string;
  readonly scopes: string;
  readonly records: string;
}

/**
 * A request whose records are decoded some at a time. The values are in the OTLP/JSON shape; each is decoded when it is
 * asked for, and its list of further entries is empty.
 */
export interface Outline {
  readonly request: unknown;
  readonly resources: Iterable<ResourceOutline>;
}

export interface ResourceOutline {
  readonly entry: unknown;
  readonly scopes: Iterable<ScopeOutline>;
  /** Number of records below, when the entry is too large and is not read. */
  readonly rejected?: number;
}

export interface ScopeOutline {
  readonly entry: unknown;
  readonly records: Iterable<RecordGroup>;
  /** Number of records below, when the entry is too large and is not read. */
  readonly rejected?: number;
}

/** Some records, few enough to be read at once; or one that is not read, for the reason. */
export type RecordGroup =
  | { readonly records: readonly unknown[]; readonly bytes: number }
  | { readonly rejected: string };

/** Records of a parsed request that are read at once. */
const GROUP_RECORDS = 64;

/** The outline of a request that is parsed already. */
export function outlineOf(request: unknown, path: RecordPath): Outline {
  return { request, resources: resourcesOf(request, path) };
}

function* resourcesOf(
  request: unknown,
  { resources, scopes, records }: RecordPath,
): Iterable<ResourceOutline> {
  for (const entry of listOf(request, resources)) yield { entry, scopes: scopesOf(entry, scopes, records) };
}

function* scopesOf(resource: unknown, scopes: string, records: string): Iterable<ScopeOutline> {
  for (const entry of listOf(resource, scopes)) yield { entry, records: groupsOf(listOf(entry, records)) };
}

function* groupsOf(records: readonly unknown[]): Iterable<RecordGroup> {
  for (let from = 0; from < records.length; from += GROUP_RECORDS) {
    yield { records: records.slice(from, from + GROUP_RECORDS), bytes: 0 };
  }
}

function listOf(value: unknown, field: string): readonly unknown[] {
  const list: unknown = isJsonObject(value) ? value[field] : undefined;
  return Array.isArray(list) ? list : [];
}
