import { isUtf8 } from 'node:buffer';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { verify } from '@octokit/webhooks-methods';
import type { Refusal } from './rejection.ts';

export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha512';

interface SignedBody {
  readonly secrets: readonly string[];
  readonly body: Buffer;
}

/** The header in which the signature stands, as people write its name. */
interface SignatureHeader {
  readonly header: string;
  readonly value: string | undefined;
}

/** The secrets that are set. An empty one would be a lock that anybody opens. */
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

/** `sha256=` and the hex HMAC-SHA256 of the body's bytes: how GitHub and Jira Cloud sign. Undefined when it is valid. */
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
  // All of them, so that the time taken tells nothing of which one fits.
  for (const secret of secrets) isValid = (await verify(secret, text, value)) || isValid;
  return isValid ? undefined : wrongSignature(header);
}

/** Whether one of the secrets makes this HMAC of the parts. All of them are tried, each compared in constant time. */
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

/** Whether the text is one of the secrets itself. Digests are compared: not even a length shows in the time taken. */
export function isAnyOf(secrets: readonly string[], given: string): boolean {
  const digest = createHash('sha256').update(given).digest();
  let isValid = false;
  for (const secret of secrets) {
    isValid = timingSafeEqual(createHash('sha256').update(secret).digest(), digest) || isValid;
  }
  return isValid;
}

export function missingSignature(header: string): Refusal {
  return {
    reason: 'missing_signature',
    message: `${header} is missing: give the sender the same secret as is set here`,
  };
}

export function malformedSignature(header: string, message: string): Refusal {
  return { reason: 'malformed_signature', message: `${header} ${message}` };
}

export function wrongSignature(header: string): Refusal {
  return {
    reason: 'wrong_signature',
    message: `${header} does not fit the body: the secrets differ, or a proxy has changed the body`,
  };
}

/** What GitHub's library can verify: it signs text that is not empty. Anything else is no payload, signed or not. */
function isText(body: Buffer): boolean {
  return body.length > 0 && isUtf8(body);
}
