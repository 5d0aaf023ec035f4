import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface KilledWriter {
  /** An ES module that prints a line when it is ready and one for each stored batch. */
  readonly script: string;
  readonly args: readonly string[];
  /** Number of stored batches before the kill. */
  readonly afterBatches: number;
}

/** Kills a writer after some batches; resolves with the number of acknowledged batches. */
export async function killWriter({ script, args, afterBatches }: KilledWriter): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
    const stored = output.split('\n').length - 2;
    // The kill hits a random moment of a batch.
    if (stored >= afterBatches) setTimeout(() => child.kill('SIGKILL'), Math.random() * 8);
  });
  await once(child, 'close');
  return Math.max(0, output.split('\n').length - 2);
}
