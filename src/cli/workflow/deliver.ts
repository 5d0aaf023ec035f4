import type { Config } from '../../config/config.ts';
import { mainFile } from '../main-file.ts';

/** How long a command waits for its records to be sent on; they are safe without it. */
const WAIT_MS = 5_000;

/** What `send` gives itself: it ends before we would end it. */
const SEND_TIMEOUT_S = 4;

/**
 * Has what is in the journal sent to the endpoint, by a process of its own, because what sends takes long to load.
 * Without an endpoint there is nobody to send to: the holder looks into the journal by itself. Never rejects.
 */
export async function deliverJournal(config: Config): Promise<void> {
  if (config.otlpEndpoint === undefined) return;
  // Loaded only here: most events are recorded without it.
  const { spawn } = await import('node:child_process');
  const args = [mainFile(), 'send', '--dir', config.logDir, '--timeout', String(SEND_TIMEOUT_S)];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      // What it had begun to send is left to the next one that looks.
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
