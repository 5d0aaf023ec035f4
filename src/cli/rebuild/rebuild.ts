import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { removeIndex } from '../../search/index/index-file.ts';
import { Tombstones } from '../../store/keep/tombstones.ts';
import { OWN_NAMES } from '../../store/layout.ts';
import { findHolder } from '../../store/lock.ts';
import { createReader } from '../../store/read/reader.ts';
import { lockDirectory } from '../../trail/holder.ts';
import { resourceOf, sourceOf } from '../../trail/resource.ts';
import { refuseInVictoriaLogs } from '../open-records.ts';
import { pickTask } from '../task-pick.ts';
import { say } from '../terminal/say.ts';
import { escapeJson, escapeLine } from '../terminal/terminal-text.ts';
import { bucketFailure, openBucketOf } from '../verify/s3-objects.ts';
import { clearDerived, RebuildingStore, tasksIn } from './into-store.ts';
import { differences, onCopy, sumsIn } from './preview.ts';
import { type Item, itemsInBucket, itemsInPath } from './sources.ts';

export interface RebuildFlags {
  readonly dir?: string;
  readonly config?: string;
  readonly from?: readonly string[];
  readonly check?: boolean;
  readonly json?: boolean;
}

/** What a rebuilding did, or would do. */
interface Outcome {
  readonly changed: readonly string[];
  readonly problems: readonly string[];
  readonly records: number;
  readonly rejected: number;
}

/**
 * Makes the documents of tasks from their facts, or everything from an archive of the records. Returns the exit code: 1 when
 * a record of the archive could not be read, and with `--check` also when something would change. Throws
 * `ERR_DIRECTORY_HELD` while a process holds the directory.
 */
export async function rebuild(wanted: string | undefined, flags: RebuildFlags): Promise<number> {
  const sources = flags.from ?? [];
  const needsBucket = sources.some(isBucket);
  const { config: configFile } = flags;
  const config = loadConfig({
    flags: { TASK_LOGS_DIR: flags.dir },
    ...(needsBucket ? { withoutService: true } : { recordsOnly: true }),
    ...(configFile !== undefined && { configFile }),
  });
  refuseInVictoriaLogs(config, {
    ...{ dir: flags.dir, command: 'rebuild' },
    advice: 'documents are made of its rows at each request',
  });
  if (wanted !== undefined && sources.length > 0)
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      'a task is rebuilt from its own facts: leave out --from, or the task',
    );
  if (sources.length === 0 && !existsSync(config.logDir))
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      `there is no log directory ${config.logDir}: --dir names another`,
    );
  const task = wanted === undefined ? undefined : await taskOf(config, wanted);
  const job: Job = { config, sources, task };
  await refuseHeld(config.logDir);
  const outcome = flags.check === true ? await check(job) : await run(job);
  print(outcome, { logDir: config.logDir, isCheck: flags.check === true, isJson: flags.json === true });
  const isFailed = outcome.problems.length > 0 || outcome.rejected > 0;
  return isFailed || (flags.check === true && outcome.changed.length > 0) ? 1 : 0;
}

interface Job {
  readonly config: Config;
  readonly sources: readonly string[];
  /** Undefined: all. */
  readonly task: string | undefined;
}

async function taskOf({ logDir }: Config, wanted: string): Promise<string> {
  const task = await pickTask({ logDir, reader: createReader(logDir) }, wanted);
  if (task === undefined)
    throw new TasktrailError('ERR_INPUT_INVALID', `there is no task ${wanted} in ${logDir}`);
  return task;
}

async function run(job: Job): Promise<Outcome> {
  const { config } = job;
  const lock = await lockDirectory(config, () => undefined);
  try {
    const outcome = await rebuildIn(config.logDir, config.workflowDir, job);
    // It may hold words that the rebuilding has masked. The next holder makes it again.
    if (outcome.changed.length > 0) removeIndex(config.logDir);
    return outcome;
  } finally {
    await lock.release();
  }
}

/** A holder adds lines meanwhile. */
async function refuseHeld(logDir: string): Promise<void> {
  const holder = await findHolder(logDir);
  if (holder !== undefined)
    throw new TasktrailError(
      'ERR_DIRECTORY_HELD',
      `${logDir} is held by process ${holder.pid} on ${holder.host}: stop it first, and start it again afterwards`,
    );
}

/** On a copy: what differs afterwards would change. */
async function check(job: Job): Promise<Outcome> {
  const { logDir, workflowDir } = job.config;
  const isOutside = workflowDir !== join(logDir, OWN_NAMES.workflows);
  return onCopy(logDir, isOurs(job.task), async (copy) => {
    const workflows = join(copy, OWN_NAMES.workflows);
    if (!isOutside) return rebuildIn(copy, workflows, job);
    return onCopy(
      workflowDir,
      () => true,
      (other) => rebuildIn(copy, other, job),
    );
  });
}

/** Entries of the log directory that a rebuilding reads or writes. */
function isOurs(task: string | undefined): (name: string) => boolean {
  const own: readonly string[] = [OWN_NAMES.workflows, OWN_NAMES.webhooks, OWN_NAMES.pruned];
  if (task !== undefined) return (name) => name === task || name === OWN_NAMES.pruned;
  return (name) => isPathSafeId(name) || own.includes(name);
}

async function rebuildIn(
  logDir: string,
  workflowDir: string,
  { config, sources, task }: Job,
): Promise<Outcome> {
  const before = await sumsIn(logDir, isOurs(task));
  const problems: string[] = [];
  const tombstones = await Tombstones.open(logDir);
  const source = sourceOf(resourceOf(config));
  const store = new RebuildingStore({ logDir, workflowDir, tombstones, source, log: say });
  for await (const item of itemsOf(config, sources)) {
    if (item.kind === 'problem') problems.push(`${item.where}: ${item.what}`);
    else await store.add(item);
  }
  if (sources.length === 0) {
    for (const id of task === undefined ? await tasksIn(logDir) : [task]) {
      const stays = await clearDerived(logDir, id);
      if (stays !== undefined) say(stays);
    }
  }
  await store.finish();
  const { records, rejected, reasons } = store.counts;
  for (const reason of reasons) say(reason);
  return { changed: differences(before, await sumsIn(logDir, isOurs(task))), problems, records, rejected };
}

async function* itemsOf(config: Config, sources: readonly string[]): AsyncGenerator<Item> {
  for (const source of sources) {
    if (!isBucket(source)) {
      yield* itemsInPath(source);
      continue;
    }
    const { host, pathname } = new URL(source);
    const { s3 } = config;
    if (s3 === undefined)
      throw new TasktrailError(
        'ERR_CONFIG_INVALID',
        `--from ${source}: no S3 is set: TASK_LOGS_S3_BUCKET and AWS_* say where it is`,
      );
    const bucket = await openBucketOf({ ...s3, bucket: host });
    try {
      yield* itemsInBucket(bucket, decodeURIComponent(pathname.slice(1)));
    } catch (error) {
      throw bucketFailure(host, error);
    } finally {
      bucket.close();
    }
  }
}

function isBucket(source: string): boolean {
  return source.startsWith('s3://');
}

interface Printing {
  readonly logDir: string;
  readonly isCheck: boolean;
  readonly isJson: boolean;
}

function print(
  { changed, problems, records, rejected }: Outcome,
  { logDir, isCheck, isJson }: Printing,
): void {
  for (const problem of problems) say(problem);
  if (isJson) {
    const report = { check: isCheck, log_dir: logDir, changed, problems, records, rejected };
    process.stdout.write(`${escapeJson(JSON.stringify(report))}\n`);
    return;
  }
  const verb = isCheck ? 'would change' : 'changed';
  const from = records === 0 ? '' : `; ${records} record(s) read, ${rejected} refused`;
  const lines = [...changed, `${changed.length} file(s) ${verb} in ${logDir}${from}`];
  process.stdout.write(lines.map((line) => `${escapeLine(line)}\n`).join(''));
}
