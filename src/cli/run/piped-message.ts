import { fstatSync, type Stats } from 'node:fs';
import { isatty } from 'node:tty';
import { TasktrailError } from '../../errors.ts';

/** Far more than an agent can read, and small enough for one record: a mistaken `< core` must not fill the memory. */
const MESSAGE_BYTES_MAX = 4 * 1_048_576;

/** A shell's pipe is there to be read; a socket is what a program gives that starts us and forgets to close it. */
const SOCKET_WAIT_MS = 3_000;

/** After so long without a byte whoever waits at a terminal wants to know for what. */
const NOTE_AFTER_MS = 3_000;

/**
 * What was piped into standard input, to its end; undefined when nothing was. Throws `ERR_INPUT_INVALID` when that is
 * more than 4 MiB, or a directory.
 */
export async function readPipedMessage(say: (line: string) => void): Promise<string | undefined> {
  const stats = statInput();
  // A device is the terminal or /dev/null; neither holds a message.
  if (stats === undefined || isatty(0) || stats.isCharacterDevice()) return undefined;
  if (stats.isDirectory()) throw invalid('standard input is a directory: give a file, or --message');
  const text = await readAll(stats, say);
  return text === '' ? undefined : text;
}

function statInput(): Stats | undefined {
  try {
    return fstatSync(0);
  } catch {
    // EBADF: it was closed before we were started.
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
      say('nothing came on standard input: running without a message');
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
          `the message on standard input is more than ${MESSAGE_BYTES_MAX} bytes: write it to a file, and tell the agent to read that`,
        );
      chunks.push(piece);
    }
  } catch (error) {
    if (error instanceof TasktrailError) throw error;
    // ERR_STREAM_PREMATURE_CLOSE after the wait was given up. Whatever else ends an input: what came is the message.
  } finally {
    clearTimeout(timer);
    stdin.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
