import type { JsonObject } from '../../../model/json.ts';
import { createKeyRedactor, type KeyRedactor } from '../../../redact/stream.ts';

/** Records of one key: RSA of 16,384 bits has 200 lines. */
const RECORDS_MAX = 200;

/** Length of these records together. */
const CHARS_MAX = 64 * 1024;

/** What the sender's own redaction leaves of the first line of a key. */
const MASKED_BEGIN = /\[redacted:private-key\]\s*$/;

const BASE64 = /^[A-Za-z0-9+/]{32,}={0,2}\s*$/;

interface OpenKey {
  readonly redactor: KeyRedactor;
  /** The sender has masked the first line: it may have been the whole key. */
  readonly isMasked: boolean;
  records: number;
  chars: number;
}

/**
 * Private keys that a sender splits into records, one a line. A record by itself does not show that it is a part of a key:
 * those behind an open one are masked up to its end, or up to a record that is no line of a key.
 */
export class SplitKeys {
  /** By sender and type of the line: a key goes on in lines of the same kind. */
  readonly #open = new Map<string, OpenKey>();

  /** The line to store. */
  masked<Line extends JsonObject>(line: Line, sender: string): Line {
    const { content, type } = line;
    if (typeof content !== 'string') return line;
    const place = `${sender} ${String(type)}`;
    const key = this.#open.get(place);
    if (key === undefined) {
      const begun = begunIn(content);
      if (begun !== undefined) this.#open.set(place, begun);
      return line;
    }
    key.records += 1;
    key.chars += content.length;
    const isOver = key.records > RECORDS_MAX || key.chars > CHARS_MAX;
    const isPart = !isOver && (!key.isMasked || BASE64.test(content));
    const masked = isPart ? withoutBreak(key.redactor.mask(`${content}\n`), content) : content;
    if (isPart && key.redactor.isInKey) return { ...line, content: masked };
    this.#open.delete(place);
    const next = begunIn(content);
    if (next !== undefined) this.#open.set(place, next);
    return masked === content ? line : { ...line, content: masked };
  }
}

function begunIn(content: string): OpenKey | undefined {
  const isMasked = MASKED_BEGIN.test(content);
  if (!isMasked && !/-----BEGIN |PuTTY-User-Key-File-/.test(content)) return undefined;
  const redactor = createKeyRedactor();
  redactor.mask(isMasked ? '-----BEGIN PRIVATE KEY-----\n' : `${content}\n`);
  return redactor.isInKey ? { redactor, isMasked, records: 0, chars: 0 } : undefined;
}

/** Without the line break that was added. */
function withoutBreak(masked: string, content: string): string {
  return masked.endsWith('\n') && !content.endsWith('\n') ? masked.slice(0, -1) : masked;
}
