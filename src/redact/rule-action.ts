import type { Found } from './mask.ts';
import type { Rule } from './rules/rule.ts';
import { codesOf, isWordStart, startBefore } from './words.ts';

/** What a rule needs of the search of a text. */
interface RuleSearch {
  readonly text: string;
  /** End of the last secret: nothing before it belongs to another. */
  readonly from: number;
  add(secret: Found): number;
}

/** Finds the secret of a rule where one of its hints stands. Returns where to go on. */
export function ruleAction(rule: Rule): (search: RuleSearch, start: number, end: number) => number {
  const body = new RegExp(rule.body, 'y');
  const before =
    rule.before === undefined ? undefined : { ...rule.before, codes: codesOf(rule.before.chars) };
  const { kind, keepsHint = false, anywhere = false } = rule;
  return (search, start, end) => {
    const { text } = search;
    let begin = start;
    if (before !== undefined) begin = startBefore(text, start, before, search.from);
    else if (!anywhere && !isWordStart(text, start)) return start;
    if (begin < 0) return start;
    body.lastIndex = end;
    if (!body.test(text)) return start;
    if (keepsHint) begin = end;
    // The letter may belong to an escape of JSON text and must stay.
    else if (text[begin - 1] === '\\' && /[nrtbfu]/.test(text[begin] ?? '')) begin += 1;
    return search.add({ start: begin, end: body.lastIndex, kind });
  };
}
