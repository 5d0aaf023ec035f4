import { fstatSync, type Stats } from 'node:fs';
import { isatty } from 'node:tty';
import { TasktrailError } from '../../errors.ts';

/** More than an agent's context holds, and small enough for one record. Stops a mistaken `< core`. */
const MESSAGE_BYTES_MAX = 4 * 1_048_576;

/** Programs that start this one often pass a socket and never close it. A shell passes a pipe, which has no time limit. */
const SOCKET_WAIT_MS = 3_000;

/** Time without a byte after which a note explains what this command is waiting for. */
const NOTE_AFTER_MS = 3_000;

/**
 * Reads a piped standard input to its end. Undefined when nothing was piped in. Throws `ERR_INPUT_INVALID` for more than
 * 4 MiB and for a directory.
 */
export async function readPipedMessage(say: (line: string) => void): Promise<string | undefined> {
  const stats = statInput();
  // A character device is a terminal or /dev/null: neither holds a message.
  if (stats === undefined || isatty(0) || stats.isCharacterDevice()) return undefined;
  if (stats.isDirectory()) throw invalid('standard input is a directory: give a file, or --message');
  const text = await readAll(stats, say);
  return text === '' ? undefined : text;
}

function statInput(): Stats | undefined {
  try {
    return fstatSync(0);
  } catch {
    // EBADF: standard input is closed.
    return undefined;
  }
}

async function readAll(stats: Stats, say: (line: string) => void): Promise<string> {
  const stdin = process.stdin;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(
    () => {
      if (!stats.isSocket()) {
        say('reading the message from standard input; to run without one: < /dev/null');
        return;
      }
      say('no data on standard input: running without a message');
      stdin.destroy();
    },
    stats.isSocket() ? SOCKET_WAIT_MS : NOTE_AFTER_MS,
  );
  try {
    for await (const chunk of stdin) {
      clearTimeout(timer);
      const piece = Buffer.from(chunk);
      bytes += piece.length;
      if (bytes > MESSAGE_BYTES_MAX)
        throw invalid(
          `the message on standard input is more than ${MESSAGE_BYTES_MAX} bytes: write it to a file and ask the agent to read that file`,
        );
      chunks.push(piece);
    }
  } catch (error) {
    if (error instanceof TasktrailError) throw error;
    // ERR_STREAM_PREMATURE_CLOSE after the wait for a socket. After EIO and the like the bytes so far are the message.
  } finally {
    clearTimeout(timer);
    stdin.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
