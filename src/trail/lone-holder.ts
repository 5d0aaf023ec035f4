import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import type { Journal } from '../journal/journal.ts';
import { createReader } from '../store/read/reader.ts';
import { type Holder, startHolder, tryLock } from './holder.ts';
import { resourceOf, sourceOf } from './resource.ts';
import { taskEnder } from './thread/task-ender.ts';

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
  const lock = await tryLock(config, books, { mustHold: false });
  if (lock === undefined) return undefined;
  if (lock.former !== undefined) options.journal.supersede(lock.former);
  const reader = createReader(config.logDir, { workflowDir: config.workflowDir });
  return startHolder(lock, {
    ...options,
    reader,
    source: sourceOf(resourceOf(config)),
    ender: taskEnder(reader),
  });
}
