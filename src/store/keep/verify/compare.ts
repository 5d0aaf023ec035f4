import { canonicalJson } from '../../../model/canonical-json.ts';
import { type JsonObject, type JsonValue, parseObject } from '../../../model/json.ts';
import { redactJson } from '../../../redact/redact.ts';

/** Names of the fields in which two documents differ. */
export function differingFields(stored: JsonObject, folded: object): readonly string[] {
  // As it would be written.
  const other = parseObject(redactJson(JSON.stringify(folded))) ?? {};
  const names = new Set([...Object.keys(stored), ...Object.keys(other)]);
  return [...names].filter((name) => !isSame(stored[name], other[name])).sort();
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}
