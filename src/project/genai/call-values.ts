import {
  GENAI_ATTRIBUTES,
  GENAI_OPERATIONS,
  type GenAiMeaning,
  type GenAiSpanKind,
} from '../../model/genai-conventions.ts';
import type { JsonValue } from '../../model/json.ts';
import { callCost, tokenCount } from './amount-values.ts';

/** Amounts of one model call. Null: not reported. `inputTokens` includes cached input. */
export interface CallAmounts {
  readonly costUsd: number | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cacheReadInputTokens: number | null;
  readonly cacheCreationInputTokens: number | null;
}

/** Model names are keys of a document and labels of metrics. */
const NAME_LENGTH_MAX = 200;

/** A cut between the halves of a surrogate pair leaves the first one. */
const HALF_AT_END = /[\ud800-\udbff]$/;

interface Meant {
  readonly meaning: GenAiMeaning;
  readonly rank: number;
  readonly scope: string | undefined;
}

const MEANINGS: ReadonlyMap<string, Meant> = new Map(
  GENAI_ATTRIBUTES.map(({ name, meaning, scope }, rank) => [name, { meaning, rank, scope }]),
);

/** Values by meaning, those of the preferred spelling first. */
export type GenAiValues = ReadonlyMap<GenAiMeaning, readonly JsonValue[]>;

/** The values of a span's or record's attributes that a convention names. */
export function genAiValues(attributes: Iterable<readonly [string, JsonValue]>, scope: string): GenAiValues {
  const found: { readonly meant: Meant; readonly value: JsonValue }[] = [];
  for (const [name, value] of attributes) {
    const meant = MEANINGS.get(name);
    if (meant !== undefined && (meant.scope === undefined || scope.startsWith(meant.scope)))
      found.push({ meant, value });
  }
  const values = new Map<GenAiMeaning, JsonValue[]>();
  for (const { meant, value } of found.sort((a, b) => a.meant.rank - b.meant.rank)) {
    const list = values.get(meant.meaning);
    if (list === undefined) values.set(meant.meaning, [value]);
    else list.push(value);
  }
  return values;
}

type AmountMeanings = Readonly<Record<Exclude<keyof CallAmounts, 'costUsd'>, GenAiMeaning>>;

const CALL: AmountMeanings = {
  inputTokens: 'inputTokens',
  outputTokens: 'outputTokens',
  cacheReadInputTokens: 'cacheReadInputTokens',
  cacheCreationInputTokens: 'cacheCreationInputTokens',
};
const GROUP: AmountMeanings = {
  inputTokens: 'groupInputTokens',
  outputTokens: 'groupOutputTokens',
  cacheReadInputTokens: 'groupCacheReadInputTokens',
  cacheCreationInputTokens: 'groupCacheCreationInputTokens',
};

/** The amounts among the values; undefined without input and output tokens. Zeros count as unknown: failed calls report them. */
export function callAmounts(values: GenAiValues): CallAmounts | undefined {
  return readAmounts(values, CALL);
}

/** As `callAmounts`, of names that mean the sum of several calls. */
export function groupAmounts(values: GenAiValues): CallAmounts | undefined {
  return readAmounts(values, GROUP);
}

function readAmounts(values: GenAiValues, names: AmountMeanings): CallAmounts | undefined {
  const count = (meaning: GenAiMeaning): number | null => firstOf(values.get(meaning), tokenCount);
  const said = count(names.inputTokens);
  const uncached = names === CALL && said === null ? count('uncachedInputTokens') : null;
  const outputTokens = count(names.outputTokens);
  if ((said ?? uncached ?? 0) === 0 && (outputTokens ?? 0) === 0) return undefined;
  const cacheReadInputTokens = count(names.cacheReadInputTokens);
  const cacheCreationInputTokens = count(names.cacheCreationInputTokens);
  const cached = (cacheReadInputTokens ?? 0) + (cacheCreationInputTokens ?? 0);
  const input = uncached === null ? said : uncached + cached;
  return {
    costUsd: firstOf(values.get('costUsd'), callCost),
    // Some senders leave cached input out of the input. It shows when the part is larger than the whole.
    inputTokens: said !== null && cached > said ? said + cached : input,
    outputTokens,
    cacheReadInputTokens,
    cacheCreationInputTokens,
  };
}

/** The kind of the preferred operation that is known. */
export function kindOf(values: GenAiValues): GenAiSpanKind | undefined {
  for (const value of values.get('operation') ?? []) {
    const kind = typeof value === 'string' ? GENAI_OPERATIONS.get(value.toLowerCase()) : undefined;
    if (kind !== undefined) return kind;
  }
  return undefined;
}

/** The first non-empty text with this meaning, cut to 200 characters. */
export function nameIn(values: GenAiValues, meaning: GenAiMeaning): string | null {
  return firstOf(values.get(meaning), (value) => {
    const name = typeof value === 'string' ? value.trim() : '';
    return name === '' ? null : name.slice(0, NAME_LENGTH_MAX).replace(HALF_AT_END, '');
  });
}

function firstOf<T>(
  values: readonly JsonValue[] | undefined,
  read: (value: JsonValue) => T | null,
): T | null {
  for (const value of values ?? []) {
    const found = read(value);
    if (found !== null) return found;
  }
  return null;
}
