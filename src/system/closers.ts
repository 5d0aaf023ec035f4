import { messageOf } from '../errors.ts';

/** Closes the parts of a program one after the other. Never rejects: a part that fails to close must not keep the others open. */
export async function closeAll(
  closers: readonly (() => Promise<void>)[],
  log: (line: string) => void,
): Promise<void> {
  for (const close of closers) {
    await close().catch((error: unknown) => log(`at shutdown: ${messageOf(error)}`));
  }
}
