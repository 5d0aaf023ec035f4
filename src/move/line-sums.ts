import { sha256 } from '../model/sha256.ts';

/** Hex digits of the SHA-256 of a line that are added up. */
const DIGITS = 32;
const MODULUS = 1n << 128n;

/** Number of lines and the sum of their hashes: the same for the same lines in any order. */
export class LineSums {
  lines = 0;
  #hash = 0n;

  /** `kind`: of the line. The same text is another line in another file. */
  add(kind: string, text: string): void {
    this.lines += 1;
    this.#hash = (this.#hash + BigInt(`0x${sha256(`${kind} ${text}`).slice(0, DIGITS)}`)) % MODULUS;
  }

  isSame(other: LineSums): boolean {
    return this.lines === other.lines && this.#hash === other.#hash;
  }
}
