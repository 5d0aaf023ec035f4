import type { Line } from '../lines.ts';

/**
 * A line behind a block of NUL, as a power cut leaves one where a file has grown and its data was not written: the bytes before
 * it are not part of the line. A line of nothing but NUL stays as it is, and so does a torn one.
 */
export function withoutLeadingNuls(line: Line): Line {
  const { bytes, start, isTerminated } = line;
  if (!isTerminated || bytes?.[0] !== 0) return line;
  const from = bytes.findIndex((byte) => byte !== 0);
  return from < 0 ? line : { ...line, bytes: bytes.subarray(from), start: start + from };
}
