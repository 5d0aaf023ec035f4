import { redact } from '../redact/redact.ts';

/** One line of a list. The same length as a line of the tail of standard error. */
const REASON_CHARS_MAX = 300;

/** Longer lines are data. Bounds the time of the patterns. */
const LINE_CHARS_MAX = 4_000;

/** Colours, and what log writers put before a message: a time, a level in brackets, a symbol. */
const ESC = String.fromCharCode(0x1b);
const COLOURS = new RegExp(`${ESC}\\[[0-9;]*m`, 'g');
const PREFIX =
  /^(?:[^\w\s]+\s?|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\]?\s+|\d\d:\d\d:\d\d[\d.,]*\]?\s+){0,4}/;

/** `TerminalQuotaError: ...`, `ERROR codex_core::client: ...`, `fatal: ...`, `API Error: ...`. */
const NAMED =
  /^(?:[\w.'-]{1,40} ){0,3}(?:[\w.$]{0,80}(?:Error|Exception)|ERROR|error|fatal|FATAL|panic(?:ked)?|CRITICAL)\b[^:\n]{0,80}:\s*\S/;

/** Reasons that come without a name. A line about the next attempt is not the end. */
const TOLD =
  /\b(?:quota|rate.limit(?:ed)?|unauthori[sz]ed|forbidden|not logged in|(?:invalid|missing|no) api key|authentication|credit balance|overloaded|permission denied|billing)\b/i;
const GOES_ON = /\bretry(?:ing)?\b|\battempt \d/i;

/** The last line of plain output that names an error, whatever stream it came from. */
export class ReasonLines {
  #named = '';
  #told = '';

  /** Nested lines, such as frames and causes of a stack trace, are skipped. */
  add(line: string): void {
    if (line.length > LINE_CHARS_MAX || /^\s/.test(line)) return;
    const plain = line.replace(COLOURS, '').trim();
    const words = plain.replace(PREFIX, '');
    if (GOES_ON.test(words)) return;
    if (NAMED.test(words)) this.#named = plain;
    else if (TOLD.test(words)) this.#told = plain;
  }

  /** Empty when no line named an error. */
  text(): string {
    const line = this.#named === '' ? this.#told : this.#named;
    // Redacted before the cut: half a token would no longer match a rule.
    const shown = redact(line);
    if (shown.length <= REASON_CHARS_MAX) return shown;
    return `${shown.slice(0, REASON_CHARS_MAX).replace(/[\uD800-\uDBFF]$/, '')}...`;
  }
}

/** Words of an agent that say only that something failed: a code alone, or an error that it calls unknown. */
const VAGUE =
  /^[\w.-]*(?:, [\w.-]+)*$|\bunknown\b|\bunexpected error\b|without a reason|an error (?:has )?occurred|something went wrong|internal error|exited with|see (?:the )?logs?\b/i;

/** The agent's own words, with the reason from its plain output when they have none. */
export function withReason(words: string, reason: string): string {
  if (reason === '' || words.includes(reason) || !VAGUE.test(words)) return words;
  return `${words}: ${reason}`;
}
