import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { runRetention } from '../store/keep/retention.ts';
import type { Tombstones } from '../store/keep/tombstones.ts';
import type { Store } from '../store/write/store.ts';

/** Interval in milliseconds. Ages are in days, so one hour is precise enough, and each pass reads the whole directory. */
const INTERVAL_MS = 3_600_000;

/** Problems that the notice lists; further ones are mostly of the same kind. */
const PROBLEMS_SHOWN = 3;

export interface RetentionScheduleOptions {
  readonly config: Config;
  readonly store: Store;
  readonly tombstones: Tombstones;
  readonly books: Books;
  /** Whether the document of a workflow is in the bucket; undefined without a bucket. */
  readonly isUploaded: ((workflowId: string) => Promise<boolean>) | undefined;
  /** Resolves after the recovery; nothing is removed before. */
  readonly recovered: Promise<void>;
  log(line: string): void;
}

export interface RetentionSchedule {
  /** Stops a running pass after its current item; nothing is removed afterwards. */
  close(): Promise<void>;
}

/** Applies the retention settings after the start and every hour. */
export function scheduleRetention(options: RetentionScheduleOptions): RetentionSchedule {
  let isStopped = false;
  let running: Promise<void> | undefined;
  const run = (): void => {
    // Passes do not overlap, even if one takes longer than an hour.
    running ??= retain(options, () => isStopped).finally(() => {
      running = undefined;
    });
  };
  const timer = setInterval(run, INTERVAL_MS).unref();
  void options.recovered.then(() => isStopped || run());
  return {
    close: async () => {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

async function retain(options: RetentionScheduleOptions, isStopped: () => boolean): Promise<void> {
  const { config, store, tombstones, books, isUploaded, log } = options;
  try {
    const { pruned, compressed, problems } = await runRetention({
      logDir: config.logDir,
      workflowDir: config.workflowDir,
      taskDays: config.retentionDays,
      workflowDays: config.workflowRetentionDays,
      compressDays: config.compressDays,
      nowMs: Date.now(),
      tombstones,
      isStopped,
      withFilesOf: (kind, id, fn) => store.withFilesOf(kind, id, fn),
      ...(isUploaded !== undefined && { isUploaded }),
    });
    if (pruned.length > 0) log(`retention removed ${countsOf(pruned)}`);
    if (compressed.length > 0) log(`compressed the lines of ${compressed.length} task(s)`);
    const shown = problems.slice(0, PROBLEMS_SHOWN).join('; ');
    books.setNotice('retention', problems.length === 0 ? undefined : shown);
  } catch (error) {
    books.setNotice('retention', `nothing is removed, the next try is in an hour: ${messageOf(error)}`);
  }
}

function countsOf(items: readonly { readonly kind: string }[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of items) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}
