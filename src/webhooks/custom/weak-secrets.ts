import { SECRET_CHARS_MIN } from '../../model/secret.ts';
import { weaknessesOf } from '../signature.ts';
import type { Sender } from './compiled-sender.ts';

/** A line for each secret that could be guessed. An Ed25519 key is public, and its form is checked already. */
export function weakSecrets({ secrets, schemes }: Sender): readonly string[] {
  const keys = schemes.map((scheme) => scheme.keys).filter(({ kind }) => kind !== 'ed25519');
  if (keys.length === 0) return [];
  const problems = weaknessesOf(secrets);
  if (problems.length > 0) return problems;
  // Base64 and hex are longer than the key that they hold.
  const shortest = Math.min(
    ...keys.flatMap((one) => (one.kind === 'hmac' ? one.keys.map(({ length }) => length) : [])),
  );
  if (shortest >= SECRET_CHARS_MIN) return [];
  return [`one of its keys has ${shortest} bytes when it is decoded: use at least ${SECRET_CHARS_MIN}`];
}
