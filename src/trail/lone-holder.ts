import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import type { Journal } from '../journal/journal.ts';
import { createReader } from '../store/read/reader.ts';
import { type Holder, startHolder, tryLock } from './holder.ts';
import { TrailMetrics } from './metrics/trail-metrics.ts';
import { resourceOf, sourceOf } from './resource.ts';

export interface LoneHolderOptions {
  readonly config: Config;
  readonly books: Books;
  readonly journal: Journal;
  log(line: string): void;
}

/**
 * Holds the log directory for a command that records nothing itself, so that waiting records are stored. Undefined when
 * `store` is off or another process holds it. Throws as `lockDirectory` does, and `ERR_PORT_IN_USE` for a configured port.
 */
export async function startLoneHolder(options: LoneHolderOptions): Promise<Holder | undefined> {
  const { config, books } = options;
  const lock = await tryLock(config, books, false);
  if (lock === undefined) return undefined;
  return startHolder(lock, {
    ...options,
    reader: createReader(config.logDir, { workflowDir: config.workflowDir }),
    source: sourceOf(resourceOf(config)),
    metrics: new TrailMetrics(),
  });
}
