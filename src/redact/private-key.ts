import type { Found } from './mask.ts';

/** Begins a key over several lines. */
export const KEY_HINTS: readonly string[] = [
  '-----BEGIN ',
  'PuTTY-User-Key-File-',
  '---- BEGIN SSH2 ENCRYPTED PRIVATE',
];

const HEADER = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
const FOOTER = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
const BODY = /(?:[A-Za-z0-9+/=:,.;()@ \t\r\n]|-(?!----(?:BEGIN|END) )|\\+[nrt])/y;

/** A line break, literal or as an escape in JSON text, with what may stand before the next line of a key. */
const BREAK = '(?:(?:\\r?\\n|\\\\{1,8}(?:r\\\\{1,8})?n)[ \\t>|#*]{0,80})';

/** Lines of a key without an end marker: base64, or a header such as `DEK-Info`. Once at a place, so that it is linear. */
const LINES = new RegExp(
  `(?:(?:${BREAK}{0,4}(?:[A-Za-z0-9+/=]{16,}|(?:Proc-Type|DEK-Info|Comment|Version|Charset|Hash|MessageID): ?[^\\r\\n\\\\"]{1,200}))+(?:${BREAK}{1,2}[A-Za-z0-9+/]{1,80}={0,2}(?=[ \\t]{0,20}(?:[\\r\\n\\\\"']|$)))?)?`,
  'y',
);

const PUTTY = /PuTTY-User-Key-File-\d: [^\r\n\\"]{1,80}/y;
const PUTTY_LINES = new RegExp(
  `(?:${BREAK}{1,2}(?:(?:Encryption|Comment|Public-Lines|Private-Lines|Private-MAC|Key-Derivation|Argon2-[A-Za-z]{1,16}): ?[^\\r\\n\\\\"]{0,200}|[A-Za-z0-9+/=]{8,}))*`,
  'y',
);

/** Holds any key: RSA of 16,384 bits has 13 KiB, a PGP block with its signatures more. */
const KEY_CHARS_MAX = 32 * 1024;

/**
 * A private key with its lines, up to the end marker. One that was cut has none: then the lines that look like a key's
 * are masked.
 */
export function findKey(text: string, at: number): Found | undefined {
  PUTTY.lastIndex = at;
  if (PUTTY.test(text))
    return { start: at, end: endOf(PUTTY_LINES, text, PUTTY.lastIndex), kind: 'private-key' };
  HEADER.lastIndex = at;
  if (!HEADER.test(text)) return undefined;
  const body = HEADER.lastIndex;
  return { start: at, end: footerAfter(text, body) ?? endOf(LINES, text, body), kind: 'private-key' };
}

/** Ends at the next marker of any kind, so that each character is looked at once for all headers of a text. */
function footerAfter(text: string, body: number): number | undefined {
  const last = Math.min(text.length, body + KEY_CHARS_MAX);
  let at = body;
  while (at < last) {
    const code = text.charCodeAt(at);
    if (isBase64(code)) {
      at += 1;
      continue;
    }
    FOOTER.lastIndex = at;
    if (code === 45 && FOOTER.test(text)) return FOOTER.lastIndex;
    BODY.lastIndex = at;
    if (!BODY.test(text)) return undefined;
    at = BODY.lastIndex;
  }
  return undefined;
}

function isBase64(code: number): boolean {
  return (
    (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 47 && code <= 57) || code === 43
  );
}

function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
