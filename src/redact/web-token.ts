import type { Found } from './mask.ts';

/** The second part of a JSON Web Token begins so: it is JSON, as the first. */
export const WEB_TOKEN_HINT = '.eyJ';

const FIRST = /eyJ[A-Za-z0-9_-]{10,}\.eyJ/y;
const REST = /[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?/y;

/** A JSON Web Token around the hint at `at`. Looks back to the last dot at most, so that each character is passed once. */
export function findWebToken(text: string, at: number, from: number): Found | undefined {
  let start = at;
  while (start > from && isPart(text.charCodeAt(start - 1))) start -= 1;
  const first = text.indexOf('eyJ', start);
  if (first < 0 || first > at - 13) return undefined;
  FIRST.lastIndex = first;
  if (!FIRST.test(text)) return undefined;
  REST.lastIndex = FIRST.lastIndex;
  return REST.test(text) ? { start: first, end: REST.lastIndex, kind: 'web-token' } : undefined;
}

/** A run of an encrypted token has five parts, of which only the first is JSON. */
const ENCRYPTED =
  /[A-Za-z0-9_-]{10,1024}\.[A-Za-z0-9_-]{0,1024}\.[A-Za-z0-9_-]{8,64}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/y;
export const ENCRYPTED_TOKEN_HINTS: readonly string[] = [
  'eyJhbGciOi',
  'eyJlbmMiOi',
  'eyJ0eXAiOi',
  'eyJraWQiOi',
  'eyJjdHkiOi',
];

/** An encrypted JSON Web Token that begins at `at`. */
export function findEncryptedToken(text: string, at: number): Found | undefined {
  if (at > 0 && isPart(text.charCodeAt(at - 1))) return undefined;
  ENCRYPTED.lastIndex = at;
  return ENCRYPTED.test(text) ? { start: at, end: ENCRYPTED.lastIndex, kind: 'web-token' } : undefined;
}

function isPart(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 45
  );
}
