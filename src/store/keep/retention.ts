import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, messageOf } from '../../errors.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { isoFromMs } from '../../model/time.ts';
import { isTempNameOf } from '../../system/durable.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { lstatIfPresent, namesIn, readableNamesIn } from '../../system/files/optional-files.ts';
import { areRealFolders } from '../../system/files/real-folders.ts';
import { checkLease } from '../../system/lease-guard.ts';
import { compressTask, isCompressible, LARGE_FILES } from '../compress.ts';
import { keptJobPath } from '../kept-job.ts';
import { DAY_FILE, OWN_NAMES, taskDir, taskFile, WORKFLOW_FILES, type WorkflowFile } from '../layout.ts';
import { refreshOffsets } from '../places/offsets-file.ts';
import { isRealMonth, levelsOf, WorkflowPlaces } from '../workflow-place.ts';
import { isAsideOf } from '../write/set-aside.ts';
import { DAY_MS, endOfTask, endOfWorkflow, filesByWorkflow } from './expiry.ts';
import { Tombstones, tombstoneOf } from './tombstones.ts';

/** A duplicate that arrives later than this counts as new. */
const TOMBSTONE_DAYS = 365;

/** Prefix of a task's directory while it is removed: no task id starts with a dot. */
const PRUNED = '.pruned-';

/**
 * Order in which a workflow's files are removed: without its facts a restart does not take it for unfinished, and
 * without its document it is not uploaded again.
 */
const REMOVAL_ORDER: readonly WorkflowFile[] = ['facts', 'trace', 'events', 'document', 'uploaded'];

export interface PruneOptions {
  readonly logDir: string;
  readonly workflowDir: string;
  /** Days to keep a task after its end, and the deliveries of a day. */
  readonly taskDays: number;
  /** Days to keep an ended workflow after its last event, and the feed of a day. */
  readonly workflowDays: number;
  /** Days after its end until a task's large files are gzipped. Default: never. */
  readonly compressDays?: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Whether the current document of a workflow is uploaded. Default: documents are not uploaded. */
  readonly isUploaded?: (workflowId: string) => Promise<boolean>;
  /** Default: read from the log directory. */
  readonly tombstones?: Tombstones;
}

/** A removable task, workflow or day file. */
export interface PruneItem {
  readonly kind: 'task' | 'workflow' | 'webhooks' | 'feed';
  /** Id of the task or workflow, or the date of a day file. */
  readonly id: string;
  /** The task's directory, the folder of the workflow's files, or the day file. */
  readonly path: string;
  /** ISO 8601. */
  readonly endedAt: string;
  readonly bytes: number;
}

export interface PrunePlan {
  readonly items: readonly PruneItem[];
  /** Ids of tasks whose large files are to be gzipped. */
  readonly compress: readonly string[];
  /** Messages about items that are kept although they may be old enough. */
  readonly kept: readonly string[];
}

export interface RetentionOptions extends PruneOptions {
  readonly tombstones: Tombstones;
  /**
   * Runs `fn` while the store does not write to a task or workflow, and drops its cached state. Default: no store is
   * running.
   */
  readonly withFilesOf?: <T>(kind: 'task' | 'workflow', id: string, fn: () => Promise<T>) => Promise<T>;
  /** True to stop before the next item. */
  readonly isStopped?: () => boolean;
}

export interface RetentionResult {
  readonly pruned: readonly PruneItem[];
  /** Ids of tasks. */
  readonly compressed: readonly string[];
  readonly kept: readonly string[];
  /** Messages about items that failed. The next run retries them. */
  readonly problems: readonly string[];
}

/** Lists everything to remove and to gzip now. Only reads. */
export async function planPrune(options: PruneOptions): Promise<PrunePlan> {
  const tombstones = options.tombstones ?? (await Tombstones.open(options.logDir));
  const kept: string[] = [];
  const compress: string[] = [];
  const items: PruneItem[] = [];
  const keep = (what: string): ((error: unknown) => undefined) => {
    return (error) => void kept.push(`${what} stays: ${messageOf(error)}`);
  };
  const ids = (await namesIn(options.logDir)).filter(isPathSafeId).sort();
  await mapBounded(ids, async (id) => {
    const verdict = await judgeTask(id, options).catch(keep(`task ${id}`));
    if (verdict === 'compress') compress.push(id);
    else if (verdict !== undefined) items.push(verdict);
  });
  for (const month of await new WorkflowPlaces(options.workflowDir).months()) {
    for (const [id, names] of filesByWorkflow(await readableNamesIn(month))) {
      const workflow = { id, month, names };
      const item = await judgeWorkflow(workflow, { ...options, tombstones }).catch(keep(`workflow ${id}`));
      if (item === 'not uploaded') kept.push(`workflow ${id} stays: its document is not in S3 yet`);
      else if (item !== undefined) items.push(item);
    }
  }
  for (const [kind, dir] of [
    ['webhooks', join(options.logDir, OWN_NAMES.webhooks)],
    ['feed', join(options.workflowDir, OWN_NAMES.feed)],
  ] as const) {
    const days = await oldDays(dir, kind, options).catch(keep(kind));
    items.push(...(days ?? []));
  }
  items.sort((a, b) => compare(orderOf(a), orderOf(b)));
  return { items, compress: compress.sort(), kept };
}

/**
 * Removes expired items and gzips large files of old tasks. Each item is checked again right before. Its tombstone is
 * durable before its files are removed, so that a crash leaves either all files or none that can return.
 */
export async function runRetention(options: RetentionOptions): Promise<RetentionResult> {
  const { logDir, workflowDir, tombstones, nowMs, isStopped = () => false } = options;
  const pruned: PruneItem[] = [];
  const compressed: string[] = [];
  const problems: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    if (isStopped()) return;
    await work().catch((error: unknown) => problems.push(`${what}: ${messageOf(error)}`));
  };
  await attempt('files that an interrupted run left', () => removeInterrupted(logDir));
  await attempt('_pruned.jsonl', () => tombstones.forgetOlderThan(nowMs - TOMBSTONE_DAYS * DAY_MS));
  const plan = await planPrune(options);
  for (const item of plan.items) {
    await attempt(`${item.kind} ${item.id} cannot be removed`, async () => {
      if (await prune(item, options)) pruned.push(item);
    });
  }
  for (const id of plan.compress) {
    await attempt(`task ${id} cannot be gzipped`, async () => {
      if (await compress(id, options)) compressed.push(id);
    });
  }
  await attempt('empty workflow folders', () => removeEmptyMonths(workflowDir, nowMs));
  return { pruned, compressed, kept: plan.kept, problems };
}

async function judgeTask(id: string, options: PruneOptions): Promise<PruneItem | 'compress' | undefined> {
  const { logDir, taskDays, compressDays, nowMs } = options;
  const task = await endOfTask(logDir, id);
  if (task === undefined) return undefined;
  const path = taskDir(logDir, id);
  const { endedAt, isSettled } = task;
  // A task with a kept job has not ended before the job was kept, whatever its records say.
  const keptMs = (await lstatIfPresent(keptJobPath(logDir, id)))?.mtimeMs ?? 0;
  const ageMs = nowMs - Math.max(Date.parse(endedAt), keptMs);
  if (ageMs > taskDays * DAY_MS) return { kind: 'task', id, path, endedAt, bytes: await bytesIn(path) };
  if (!isSettled || compressDays === undefined || ageMs <= compressDays * DAY_MS) return undefined;
  return (await isCompressible(path)) ? 'compress' : undefined;
}

interface WorkflowFiles {
  readonly id: string;
  /** The month's folder. */
  readonly month: string;
  /** Names of its files in the folder. */
  readonly names: readonly string[];
}

async function judgeWorkflow(
  { id, month, names }: WorkflowFiles,
  options: PruneOptions & { readonly tombstones: Tombstones },
): Promise<PruneItem | 'not uploaded' | undefined> {
  const prunedAt = options.tombstones.prunedAt('workflow', id);
  const item = async (endedAt: string): Promise<PruneItem> => {
    const bytes = await bytesOf(names.map((name) => join(month, name)));
    return { kind: 'workflow', id, path: month, endedAt, bytes };
  };
  if (prunedAt !== undefined && !(await isNewer(month, names, prunedAt))) return item(prunedAt);
  if (!names.includes(id + WORKFLOW_FILES.document)) return undefined;
  const endedAt = await endOfWorkflow({ month, id }, options.nowMs - options.workflowDays * DAY_MS);
  if (endedAt === undefined) return undefined;
  const { isUploaded } = options;
  return isUploaded === undefined || (await isUploaded(id)) ? item(endedAt) : 'not uploaded';
}

/** Day files older than the limit. The newest file of the feed stays, because it is appended to. */
async function oldDays(
  dir: string,
  kind: 'webhooks' | 'feed',
  options: PruneOptions,
): Promise<readonly PruneItem[]> {
  const days = kind === 'feed' ? options.workflowDays : options.taskDays;
  if (!(await isRealDayFolder(dir, kind))) return [];
  const names = (await namesIn(dir)).filter((name) => DAY_FILE.test(name)).sort();
  const items: PruneItem[] = [];
  for (const name of kind === 'feed' ? names.slice(0, -1) : names) {
    const id = basename(name, '.jsonl');
    const endMs = Date.parse(id) + DAY_MS;
    const path = join(dir, name);
    // Written so that NaN, from a name that is not a date, is skipped.
    if (!(options.nowMs - endMs > days * DAY_MS)) continue;
    items.push({ kind, id, path, endedAt: isoFromMs(endMs), bytes: await bytesOf([path]) });
  }
  return items;
}

/** False when the item no longer expires. */
async function prune(item: PruneItem, options: RetentionOptions): Promise<boolean> {
  const { kind, id, path } = item;
  const { withFilesOf = (_kind, _id, fn) => fn() } = options;
  if (kind === 'task') {
    const moved = await withFilesOf(kind, id, () => moveTask(id, options));
    if (moved === undefined) return false;
    await rm(moved, { recursive: true, force: true });
    return true;
  }
  if (kind === 'workflow') return withFilesOf(kind, id, () => removeWorkflow({ id, month: path }, options));
  if (!(await isRealDayFolder(dirname(path), kind))) return false;
  checkLease();
  await rm(path, { force: true });
  return true;
}

/** Files are not removed through a link. */
async function isRealDayFolder(dir: string, kind: 'webhooks' | 'feed'): Promise<boolean> {
  return areRealFolders(dir, kind === 'feed' ? levelsOf(dirname(dir)) + 1 : 1);
}

/**
 * Renames the task's directory, so that no reader sees half a task. Returns the new path; undefined when the task
 * stays.
 */
async function moveTask(id: string, options: RetentionOptions): Promise<string | undefined> {
  const { logDir, nowMs, tombstones } = options;
  const verdict = await judgeTask(id, options);
  if (verdict === undefined || verdict === 'compress') return undefined;
  checkLease();
  // First: without its records the task would count as one that has not run.
  await rm(keptJobPath(logDir, id), { force: true });
  await tombstones.add([tombstoneOf('task', id, nowMs)]);
  const target = join(logDir, PRUNED + id);
  checkLease();
  await rename(verdict.path, target);
  return target;
}

async function removeWorkflow(
  { id, month }: Omit<WorkflowFiles, 'names'>,
  options: RetentionOptions,
): Promise<boolean> {
  const all = await namesIn(month);
  const verdict = await judgeWorkflow({ id, month, names: filesByWorkflow(all).get(id) ?? [] }, options);
  if (verdict === undefined || verdict === 'not uploaded' || !(await isRealMonth(month))) return false;
  await options.tombstones.add([tombstoneOf('workflow', id, options.nowMs)]);
  for (const file of REMOVAL_ORDER) {
    checkLease();
    const name = id + WORKFLOW_FILES[file];
    for (const left of all.filter((entry) => isTempNameOf(entry, name) || isAsideOf(entry, name)))
      await rm(join(month, left), { force: true });
    await rm(join(month, name), { force: true });
  }
  return true;
}

async function compress(id: string, options: RetentionOptions): Promise<boolean> {
  const { withFilesOf = (_kind, _id, fn) => fn() } = options;
  return withFilesOf('task', id, async () => {
    if ((await judgeTask(id, options)) !== 'compress') return false;
    const isCompressed = await compressTask(taskDir(options.logDir, id));
    if (isCompressed)
      for (const file of LARGE_FILES) await refreshOffsets(taskFile(options.logDir, id, file));
    return isCompressed;
  });
}

/** Removes directories that were renamed for their removal by a run that did not finish it. */
async function removeInterrupted(logDir: string): Promise<void> {
  for (const name of await namesIn(logDir)) {
    if (name.startsWith(PRUNED)) await rm(join(logDir, name), { recursive: true, force: true });
  }
}

/** Skips the current month, to which the store may be about to write. */
async function removeEmptyMonths(workflowDir: string, nowMs: number): Promise<void> {
  const present = join(workflowDir, isoFromMs(nowMs).slice(0, 4), isoFromMs(nowMs).slice(5, 7));
  for (const month of await new WorkflowPlaces(workflowDir).months()) {
    if (month < present && (await removeEmpty(month))) await removeEmpty(dirname(month));
  }
}

async function removeEmpty(dir: string): Promise<boolean> {
  try {
    await rmdir(dir);
    return true;
  } catch (error) {
    // Not empty; some systems use EEXIST for it.
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Whether one of the files was modified after that time. */
async function isNewer(dir: string, names: readonly string[], iso: string): Promise<boolean> {
  for (const name of names) {
    const stats = await lstat(join(dir, name));
    if (Math.floor(stats.mtimeMs) > Date.parse(iso)) return true;
  }
  return false;
}

async function bytesIn(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return bytesOf(
    entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)),
  );
}

async function bytesOf(paths: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const path of paths) bytes += (await lstat(path)).size;
  return bytes;
}

/** Sort key: oldest first. */
function orderOf({ endedAt, kind, id }: PruneItem): string {
  return `${endedAt} ${kind} ${id}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
