import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { verify } from '@octokit/webhooks-methods';
import { weaknessOf } from '../model/secret.ts';
import type { Refusal } from './rejection.ts';

export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha512';

interface SignedBody {
  readonly secrets: readonly string[];
  readonly body: Buffer;
}

/** The header that holds the signature, in its usual spelling. */
interface SignatureHeader {
  readonly header: string;
  readonly value: string | undefined;
}

/** The configured secrets, without empty ones: with an empty secret, everyone could sign. */
export function secretsOf(
  setting: string,
  secret: string | readonly string[] | undefined,
): readonly string[] {
  const list: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  return list.filter((value): value is string => {
    if (value !== undefined && typeof value !== 'string') {
      throw new TypeError(`${setting} must be a string or a list of strings`);
    }
    return value !== undefined && value !== '';
  });
}

/** A line for each secret that could be guessed, without the secret. */
export function weaknessesOf(secrets: readonly string[]): readonly string[] {
  return secrets.flatMap((secret, index) => {
    const weakness = weaknessOf(secret);
    if (weakness === undefined) return [];
    return [secrets.length === 1 ? weakness : `secret ${index + 1} of ${secrets.length}: ${weakness}`];
  });
}

/** Checks `sha256=` and the hex HMAC-SHA256 of the body, as GitHub and Jira Cloud sign. Undefined when it is valid. */
export async function checkHubSignature(
  { secrets, body }: SignedBody,
  { header, value }: SignatureHeader,
): Promise<Refusal | undefined> {
  if (value === undefined) return missingSignature(header);
  const hex = /^sha256=([0-9a-f]{64})$/.exec(value)?.[1];
  if (hex === undefined) return malformedSignature(header, 'must be sha256= and 64 hex digits');
  if (!isText(body)) {
    const isRight = isSignedByAny(secrets, { algorithm: 'sha256', parts: [body] }, Buffer.from(hex, 'hex'));
    return isRight ? undefined : wrongSignature(header);
  }
  const text = body.toString('utf8');
  let isValid = false;
  // All of them: the time taken must not show which one is right.
  for (const secret of secrets) isValid = (await verify(secret, text, value)) || isValid;
  return isValid ? undefined : wrongSignature(header);
}

/** Whether one of the secrets makes this HMAC of the parts. All are tried, and compared in constant time. */
export function isSignedByAny(
  secrets: readonly string[],
  signed: { readonly algorithm: HmacAlgorithm; readonly parts: readonly (string | Buffer)[] },
  given: Buffer,
): boolean {
  let isValid = false;
  for (const secret of secrets) {
    const hmac = createHmac(signed.algorithm, secret);
    for (const part of signed.parts) hmac.update(part);
    const digest = hmac.digest();
    isValid = (digest.length === given.length && timingSafeEqual(digest, given)) || isValid;
  }
  return isValid;
}

export function missingSignature(header: string): Refusal {
  return {
    reason: 'missing_signature',
    message: `${header} is missing: configure the same secret at the sender`,
  };
}

export function malformedSignature(header: string, message: string): Refusal {
  return { reason: 'malformed_signature', message: `${header} ${message}` };
}

export function wrongSignature(header: string): Refusal {
  return {
    reason: 'wrong_signature',
    message: `${header} does not match the body: the secrets differ, or a proxy has changed the body`,
  };
}

/** GitHub's library verifies only text that is not empty. */
function isText(body: Buffer): boolean {
  return body.length > 0 && isUtf8(body);
}
