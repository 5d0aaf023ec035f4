import type { FileHandle } from 'node:fs/promises';

/** A window is some kilobytes behind a known start of a line. */
const FIRST_BYTES = 32_768;

/** Large enough that a read costs less than the lines in it. */
const PIECE_BYTES = 262_144;

/** More readings at once get buffers of their own. */
const KEPT_MAX = 8;

const kept: Buffer[] = [];

/**
 * Gives `use` a buffer that is used again afterwards. New buffers for each reading would be garbage outside of the heap, which
 * is collected late.
 */
export async function* withPieceBuffer<T>(
  use: (buffer: Buffer) => AsyncGenerator<T>,
): AsyncGenerator<T, void> {
  const buffer = kept.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  try {
    yield* use(buffer);
  } finally {
    if (kept.length < KEPT_MAX) kept.push(buffer);
  }
}

/** The bytes of a file from an offset on: small pieces first, then larger ones. Each is valid until the next one is asked for. */
export function filePieces(file: FileHandle, from: number): AsyncGenerator<Buffer> {
  return withPieceBuffer(async function* (buffer) {
    let position = from;
    for (const length of growing()) {
      const { bytesRead } = await file.read(buffer, 0, length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  });
}

/** Bytes in memory in pieces like those of `filePieces`: who wants a few lines does not split all of them. */
export function* growingPieces(bytes: Buffer): Generator<Buffer> {
  let at = 0;
  for (const length of growing()) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

function* growing(): Generator<number> {
  for (let length = FIRST_BYTES; ; length = Math.min(2 * length, PIECE_BYTES)) yield length;
}
