import { readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, messageOf } from '../../errors.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { isoFromMs } from '../../model/time.ts';
import { isTempNameOf } from '../../system/durable.ts';
import { compressTask, isCompressible } from '../compress.ts';
import { OWN_NAMES, taskDir, WORKFLOW_FILES, type WorkflowFile } from '../layout.ts';
import { mapBounded } from '../read/listing.ts';
import { WorkflowPlaces } from '../workflow-place.ts';
import { DAY_MS, endOfTask, endOfWorkflow, filesByWorkflow } from './expiry.ts';
import { Tombstones, tombstoneOf } from './tombstones.ts';

/** A duplicate that comes later than that is taken for something new. */
const TOMBSTONE_DAYS = 365;

/** A task's directory on its way out: a name that no id has. */
const PRUNED = '.pruned-';

const DAY_FILE = /^(\d{4}-\d{2}-\d{2})\.jsonl$/;

/**
 * What goes first of a workflow: without its facts a restart does not take it for one that is unfinished, and without
 * its document nobody uploads it again.
 */
const REMOVAL_ORDER: readonly WorkflowFile[] = ['facts', 'trace', 'events', 'document', 'uploaded'];

export interface PruneOptions {
  readonly logDir: string;
  readonly workflowDir: string;
  /** Days after its end when a task goes, and the deliveries of a day. */
  readonly taskDays: number;
  /** Days after its last event when a workflow that is over goes, and the feed of a day. */
  readonly workflowDays: number;
  /** Days after its end when a task's large files are gzipped; default: never. */
  readonly compressDays?: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Whether a workflow's document, as it is now, is known to be where documents go; default: they go nowhere. */
  readonly isUploaded?: (workflowId: string) => Promise<boolean>;
  /** Default: those on the disk. */
  readonly tombstones?: Tombstones;
}

/** Something whose time is over. */
export interface PruneItem {
  readonly kind: 'task' | 'workflow' | 'webhooks' | 'feed';
  /** Of the task or workflow; the date of a day's file. */
  readonly id: string;
  /** The task's directory, the folder of the workflow's files, or the day's file. */
  readonly path: string;
  /** ISO 8601. */
  readonly endedAt: string;
  readonly bytes: number;
}

export interface PrunePlan {
  readonly items: readonly PruneItem[];
  /** Tasks whose large files are to be gzipped. */
  readonly compress: readonly string[];
  /** What stays although it may be old enough, and why; a line each. */
  readonly kept: readonly string[];
}

export interface RetentionOptions extends PruneOptions {
  readonly tombstones: Tombstones;
  /** Runs while nobody writes to a task or workflow, and drops what is known of it. Default: there is no writer. */
  readonly withFilesOf?: <T>(kind: 'task' | 'workflow', id: string, fn: () => Promise<T>) => Promise<T>;
  /** True when it is to end where it is. */
  readonly isStopped?: () => boolean;
}

export interface RetentionResult {
  readonly pruned: readonly PruneItem[];
  /** Ids of tasks. */
  readonly compressed: readonly string[];
  /** As in the plan. */
  readonly kept: readonly string[];
  /** What could not be done, and why; a line each. It is tried again next time. */
  readonly problems: readonly string[];
}

/** What would go now. Only reads. */
export async function planPrune(options: PruneOptions): Promise<PrunePlan> {
  const tombstones = options.tombstones ?? (await Tombstones.open(options.logDir));
  const kept: string[] = [];
  const compress: string[] = [];
  const items: PruneItem[] = [];
  const note = (what: string): ((error: unknown) => undefined) => {
    return (error) => void kept.push(`${what} stays: ${messageOf(error)}`);
  };
  const ids = (await namesOf(options.logDir)).filter(isPathSafeId).sort();
  await mapBounded(ids, async (id) => {
    const verdict = await judgeTask(id, options).catch(note(`task ${id}`));
    if (verdict === 'compress') compress.push(id);
    else if (verdict !== undefined) items.push(verdict);
  });
  for (const month of await new WorkflowPlaces(options.workflowDir).months()) {
    for (const [id, names] of filesByWorkflow(await namesOf(month))) {
      const workflow = { id, month, names };
      const item = await judgeWorkflow(workflow, { ...options, tombstones }).catch(note(`workflow ${id}`));
      if (item === 'not uploaded') kept.push(`workflow ${id} stays: its document is not in S3 yet`);
      else if (item !== undefined) items.push(item);
    }
  }
  items.push(...(await oldDays(join(options.logDir, OWN_NAMES.webhooks), 'webhooks', options)));
  items.push(...(await oldDays(join(options.workflowDir, OWN_NAMES.feed), 'feed', options)));
  items.sort((a, b) => compare(orderOf(a), orderOf(b)));
  return { items, compress: compress.sort(), kept };
}

/**
 * Removes what is too old and gzips what is old. Each thing is looked at again just before; what is removed has its
 * tombstone on the disk first, so that a crash at any moment leaves either all of it or nothing that comes back.
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
  await attempt('what an earlier run has left', () => removeLeftovers(logDir));
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
  await attempt('folders of workflows', () => removeEmptyMonths(workflowDir, nowMs));
  return { pruned, compressed, kept: plan.kept, problems };
}

async function judgeTask(id: string, options: PruneOptions): Promise<PruneItem | 'compress' | undefined> {
  const { logDir, taskDays, compressDays, nowMs } = options;
  const task = await endOfTask(logDir, id);
  if (task === undefined) return undefined;
  const path = taskDir(logDir, id);
  const { endedAt, isSettled } = task;
  const ageMs = nowMs - Date.parse(endedAt);
  if (ageMs > taskDays * DAY_MS) return { kind: 'task', id, path, endedAt, bytes: await bytesIn(path) };
  if (!isSettled || compressDays === undefined || ageMs <= compressDays * DAY_MS) return undefined;
  return (await isCompressible(path)) ? 'compress' : undefined;
}

interface FoundWorkflow {
  readonly id: string;
  /** The folder of its month. */
  readonly month: string;
  /** Its files there. */
  readonly names: readonly string[];
}

async function judgeWorkflow(
  { id, month, names }: FoundWorkflow,
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

/** The files of days that are over for so long. Of the feed the newest stays: it is the one that is appended to. */
async function oldDays(
  dir: string,
  kind: 'webhooks' | 'feed',
  options: PruneOptions,
): Promise<readonly PruneItem[]> {
  const days = kind === 'feed' ? options.workflowDays : options.taskDays;
  const names = (await namesOf(dir)).filter((name) => DAY_FILE.test(name)).sort();
  const items: PruneItem[] = [];
  for (const name of kind === 'feed' ? names.slice(0, -1) : names) {
    const id = basename(name, '.jsonl');
    const endMs = Date.parse(id) + DAY_MS;
    const path = join(dir, name);
    // No such day, perhaps: nothing is said of its age then.
    if (!(options.nowMs - endMs > days * DAY_MS)) continue;
    items.push({ kind, id, path, endedAt: isoFromMs(endMs), bytes: await bytesOf([path]) });
  }
  return items;
}

/** False when it is no longer to go. */
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
  await rm(path, { force: true });
  return true;
}

/** Out of sight in one step: nobody sees half a task. Returns where it is now; undefined when it is to stay. */
async function moveTask(id: string, options: RetentionOptions): Promise<string | undefined> {
  const { logDir, nowMs, tombstones } = options;
  const verdict = await judgeTask(id, options);
  if (verdict === undefined || verdict === 'compress') return undefined;
  await tombstones.add([tombstoneOf('task', id, nowMs)]);
  const target = join(logDir, PRUNED + id);
  await rename(verdict.path, target);
  return target;
}

async function removeWorkflow(
  { id, month }: Omit<FoundWorkflow, 'names'>,
  options: RetentionOptions,
): Promise<boolean> {
  const all = await namesOf(month);
  const verdict = await judgeWorkflow({ id, month, names: filesByWorkflow(all).get(id) ?? [] }, options);
  if (verdict === undefined || verdict === 'not uploaded') return false;
  await options.tombstones.add([tombstoneOf('workflow', id, options.nowMs)]);
  for (const file of REMOVAL_ORDER) {
    const name = id + WORKFLOW_FILES[file];
    for (const temp of all.filter((one) => isTempNameOf(one, name)))
      await rm(join(month, temp), { force: true });
    await rm(join(month, name), { force: true });
  }
  return true;
}

async function compress(id: string, options: RetentionOptions): Promise<boolean> {
  const { withFilesOf = (_kind, _id, fn) => fn() } = options;
  return withFilesOf('task', id, async () => {
    if ((await judgeTask(id, options)) !== 'compress') return false;
    return compressTask(taskDir(options.logDir, id));
  });
}

async function removeLeftovers(logDir: string): Promise<void> {
  for (const name of await namesOf(logDir)) {
    if (name.startsWith(PRUNED)) await rm(join(logDir, name), { recursive: true, force: true });
  }
}

/** Not that of the present month, into which somebody may be about to write. */
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
    // Something is in it; some systems have the other name for that.
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Whether one of the files was written to after that time. */
async function isNewer(dir: string, names: readonly string[], iso: string): Promise<boolean> {
  for (const name of names) {
    const stats = await stat(join(dir, name));
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
  for (const path of paths) bytes += (await stat(path)).size;
  return bytes;
}

/** The oldest first. */
function orderOf({ endedAt, kind, id }: PruneItem): string {
  return `${endedAt} ${kind} ${id}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

async function namesOf(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
