import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { encodeAttributes } from '../export/encode.ts';
import type { Journal } from '../journal/journal.ts';
import { createReader } from '../store/read/reader.ts';
import { type Holder, lockDirectory, startHolder } from './holder.ts';
import { TrailMetrics } from './metrics/trail-metrics.ts';
import { resourceOf } from './resource.ts';

export interface LoneHolderOptions {
  readonly config: Config;
  readonly books: Books;
  readonly journal: Journal;
  log(line: string): void;
}

/**
 * Holds the log directory for a command that records nothing itself, so that waiting records are stored. Undefined when
 * another process holds it. Throws as `lockDirectory` does, and `ERR_PORT_IN_USE` for a configured port.
 */
export async function startLoneHolder(options: LoneHolderOptions): Promise<Holder | undefined> {
  const { config, books } = options;
  try {
    const lock = await lockDirectory(config, (reason) => books.setReason('lock', reason));
    const resource = { attributes: encodeAttributes(resourceOf(config).attributes) };
    return await startHolder(lock, {
      ...options,
      reader: createReader(config.logDir, { workflowDir: config.workflowDir }),
      source: { resource, scope: { name: 'tasktrail' } },
      metrics: new TrailMetrics(),
    });
  } catch (error) {
    if (error instanceof TasktrailError && error.code === 'ERR_DIRECTORY_HELD') return undefined;
    throw error;
  }
}
