import type { Config } from '../../config/config.ts';
import { endpointsOf, HOLDER } from '../../journal/destination.ts';
import { releaseSegment } from '../../journal/lone-record.ts';
import { parseObject } from '../../model/json.ts';
import { mainFile } from '../main-file.ts';
import { say } from '../terminal/say.ts';

/** How long a command waits for the delivery of its records. They are already safe in the journal. */
const WAIT_MS = 5_000;

/** Timeout of `send` in seconds: it gives up before the wait above ends and kills it. */
const SEND_TIMEOUT_S = 4;

/** The receiver refused the records of the command, so that they are stored nowhere. */
const EXIT_REFUSED = 3;

/**
 * Sends segments of this process to the endpoint, then what else waits in the journal, and returns the exit code of the
 * command. What was refused is printed. A child process does it, because the sender takes long to load. Without an
 * endpoint nothing is sent: the holder of the directory reads the journal itself. Never rejects.
 */
export async function deliverSegments(config: Config, segments: readonly string[]): Promise<number> {
  if (endpointsOf(config).length === 0) return 0;
  const refusals = await sendSegments(config, segments);
  for (const segment of segments) releaseSegment(config.logDir, segment);
  for (const [destination, reason] of refusals) {
    const by = destination === HOLDER ? 'the holder of the log directory' : destination;
    say(`refused by ${by}: ${reason}`);
  }
  // With a store, the endpoint gets a copy only.
  const isLost = config.store ? refusals.has(HOLDER) : refusals.size > 0;
  return isLost ? EXIT_REFUSED : 0;
}

/** Resolves with the reasons of the destinations that refused a record; empty when the answer comes too late. */
async function sendSegments(
  config: Config,
  segments: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  // Lazy: most events are recorded without an endpoint.
  const { spawn } = await import('node:child_process');
  const args = [mainFile(), 'send', '--no-store', '--dir', config.logDir];
  const own = ['--timeout', String(SEND_TIMEOUT_S), '--segments', segments.join(',')];
  const child = spawn(process.execPath, [...args, ...own], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      // Unfinished segments stay pending for the next sender.
      child.kill();
      resolve();
    }, WAIT_MS);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    child.once('error', end);
    child.once('close', end);
  });
  const [first = ''] = output.split('\n', 1);
  return new Map(
    Object.entries(parseObject(first) ?? {}).flatMap(([destination, reason]) =>
      typeof reason === 'string' ? [[destination, reason] as const] : [],
    ),
  );
}
