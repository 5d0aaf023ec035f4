import { attemptIn } from '../../../model/attempt.ts';
import { isNewer } from '../../../model/documents.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../model/json.ts';
import { COMPUTED } from '../../../project/fold.ts';

/** What a document on disk said and its facts and lines no longer give. */
export type Said = (document: JsonObject) => JsonObject;

/** Fields of the metadata that follow from the present state. */
const PRESENT: ReadonlySet<string> = new Set([...COMPUTED, 'opened_by', 'settled', 'dropped_spans']);

/** Fields of the metadata of a newer version that no fact has. Undefined when there are none. */
export function saidInMetadata(stored: JsonObject, folded: JsonObject): Said | undefined {
  if (!isNewer(stored)) return undefined;
  const lost = Object.entries(stored).filter(
    ([name, value]) => value !== null && !PRESENT.has(name) && folded[name] === undefined,
  );
  if (lost.length === 0) return undefined;
  return (document) => ({ ...Object.fromEntries(lost), ...document });
}

/**
 * What a result on disk says about the same end and the folded one does not: fields of a newer version, and amounts from
 * spans or lines that were lost. `stated` is the result as its fact says it: an amount there decides. Undefined when
 * nothing is lost.
 */
export function saidInResult(
  stored: JsonObject,
  folded: JsonObject,
  stated: JsonObject | undefined,
): Said | undefined {
  if (!isSameEnd(stored, folded)) return undefined;
  const keep: Said = (document) => {
    if (!isSameEnd(stored, document)) return document;
    const filled = filledFrom(stored, document);
    const { metrics } = stored;
    if (!isJsonObject(metrics) || !isJsonObject(document.metrics)) return filled;
    const own = isJsonObject(stated?.metrics) ? stated.metrics : {};
    return { ...filled, metrics: metricsOf(metrics, document.metrics, own) };
  };
  return JSON.stringify(keep(folded)) === JSON.stringify(folded) ? undefined : keep;
}

/** Amounts that are kept keep the basis that they were written with. */
function metricsOf(stored: JsonObject, document: JsonObject, stated: JsonObject): JsonObject {
  const { cost_basis: storedBasis, ...before } = stored;
  const { cost_basis: basis, ...now } = document;
  const amounts = amountsOf(before, now, stated);
  const isKept = storedBasis !== undefined && JSON.stringify(amounts) !== JSON.stringify(now);
  const kept = isKept ? storedBasis : basis;
  return kept === undefined ? amounts : { ...amounts, cost_basis: kept };
}

/** Null says nothing. */
function filledFrom(stored: JsonObject, document: JsonObject): JsonObject {
  const lost = Object.entries(stored).filter(
    ([name, value]) => value !== null && (document[name] ?? null) === null,
  );
  return lost.length === 0 ? document : { ...document, ...Object.fromEntries(lost) };
}

/** The larger amount, where no fact states it: a part of the spans gives a part of the sum. */
function amountsOf(stored: JsonObject, document: JsonObject, stated: JsonObject): JsonObject {
  const amounts: Record<string, JsonValue | undefined> = { ...document };
  for (const [name, value] of Object.entries(stored)) {
    if (value === undefined || value === null || (stated[name] ?? null) !== null) continue;
    const now = document[name] ?? null;
    if (now === null) {
      if (name !== 'unknown_reason') amounts[name] = value;
    } else if (typeof value === 'number' && typeof now === 'number') amounts[name] = Math.max(value, now);
    else if (isJsonObject(value) && isJsonObject(now)) amounts[name] = amountsOf(value, now, {});
  }
  return amounts;
}

function isSameEnd(stored: JsonObject, document: JsonObject): boolean {
  return (
    stored.completed_at === document.completed_at &&
    (attemptIn(stored.attempt) ?? 1) === (attemptIn(document.attempt) ?? 1) &&
    (stored.status === undefined || stored.status === document.status)
  );
}
