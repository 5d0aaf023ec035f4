import { createHash } from 'node:crypto';

const PREFIX = 'signed ';

/**
 * Names a delivery by the bytes that its sender has signed, for senders whose signature covers no id: the same bytes with
 * another id are a replay, whose id anyone can choose. A sender that signs a time or an id has other bytes
 * in every delivery, so the name never stands for two of its deliveries. `place` counts the events of one body.
 */
export function signedBytesName(pieces: readonly (string | Buffer)[], place = 0): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return `${PREFIX}${hash.digest('hex')}${place === 0 ? '' : ` ${place}`}`;
}

export function isSignedBytesName(name: string | undefined): boolean {
  return name?.startsWith(PREFIX) ?? false;
}
