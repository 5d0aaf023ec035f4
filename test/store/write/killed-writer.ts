import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface KilledWriter {
  /** An ES module that prints a line when it is ready and one for each batch that it has stored. */
  readonly script: string;
  readonly args: readonly string[];
  /** It is killed soon after it has stored so many. */
  readonly afterBatches: number;
}

/** Kills a writer some batches into its work; resolves with how many it said it had stored. */
export async function killWriter({ script, args, afterBatches }: KilledWriter): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
    const stored = said.split('\n').length - 2;
    // The moment within a batch is the machine's own.
    if (stored >= afterBatches) setTimeout(() => child.kill('SIGKILL'), Math.random() * 8);
  });
  await once(child, 'close');
  return Math.max(0, said.split('\n').length - 2);
}
