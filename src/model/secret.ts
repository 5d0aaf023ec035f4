import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Whether the given text is one of the secrets. Digests are compared, and all of them, so that the time taken shows
 * neither a secret's content nor its length, nor which one it was.
 */
export function isAnyOf(secrets: readonly string[], given: string | Buffer): boolean {
  const digest = digestOf(given);
  let isFound = false;
  for (const secret of secrets) isFound = timingSafeEqual(digestOf(secret), digest) || isFound;
  return isFound;
}

/** The token of an `Authorization: Bearer` header (RFC 6750, 2.1); undefined for another scheme. */
export function bearerTokenOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([^ ].*)$/i.exec(authorization ?? '')?.[1]?.trimEnd();
}

function digestOf(secret: string | Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** 16 random letters and digits hold about 95 bits. Of a signed body, shorter words can be found by trying them. */
export const SECRET_CHARS_MIN = 16;

/** Where examples have a secret. These are public. */
const PLACEHOLDER = /^(?:change|replace)[-_ ]?(?:me|this|it)/i;

/** Why a secret is none, without the secret; undefined when it may be one. */
export function weaknessOf(secret: string, charsMin: number = SECRET_CHARS_MIN): string | undefined {
  // A blank comes from copying, and no sender has it: the signature would never match, or the blank would be the secret.
  if (secret !== secret.trim()) return 'remove the blanks at its ends';
  if ([...secret].length < charsMin) return `use at least ${charsMin} characters`;
  if (new Set(secret).size === 1 || PLACEHOLDER.test(secret)) return 'use a random text';
  return undefined;
}
