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
