import type { Config } from '../../config/config.ts';
import { endpointsOf } from '../../journal/destination.ts';
import { mainFile } from '../main-file.ts';

/** How long a command waits for the delivery of its records. They are already safe in the journal. */
const WAIT_MS = 5_000;

/** Timeout of `send` in seconds: it gives up before the wait above ends and kills it. */
const SEND_TIMEOUT_S = 4;

/**
 * Sends the pending records of the journal to the endpoint. A child process does it, because the sender takes long to
 * load. Without an endpoint nothing is sent: the holder of the directory reads the journal itself. Never rejects.
 */
export async function deliverJournal(config: Config): Promise<void> {
  if (endpointsOf(config).length === 0) return;
  // Lazy: most events are recorded without an endpoint.
  const { spawn } = await import('node:child_process');
  const args = [
    mainFile(),
    'send',
    '--no-store',
    '--dir',
    config.logDir,
    '--timeout',
    String(SEND_TIMEOUT_S),
  ];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
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
    child.once('exit', end);
  });
}
