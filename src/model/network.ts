import { isIP } from 'node:net';

export interface Network {
  readonly address: string;
  /** Bits. */
  readonly prefix: number;
  readonly family: 4 | 6;
}

/** `10.0.0.0/8`, `::1`. Undefined for any other text. */
export function readNetwork(text: string): Network | undefined {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address) === 6 ? 6 : 4;
  const max = family === 4 ? 32 : 128;
  // `%eth0` names an interface, not a network.
  if (isIP(address) === 0 || more.length > 0 || address.includes('%')) return undefined;
  if (bits === undefined) return { address, prefix: max, family };
  return /^\d{1,3}$/.test(bits) && Number(bits) <= max
    ? { address, prefix: Number(bits), family }
    : undefined;
}
