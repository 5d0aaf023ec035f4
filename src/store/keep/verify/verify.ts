import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf } from '../../../errors.ts';
import { isPathSafeId } from '../../../model/ids.ts';
import { namesIn, readableNamesIn } from '../../../system/files/optional-files.ts';
import { isNoFile } from '../../../system/files/safe-open.ts';
import { DAY_FILE, OWN_NAMES } from '../../layout.ts';
import { WorkflowPlaces } from '../../workflow-place.ts';
import { filesByWorkflow } from '../expiry.ts';
import { type Finding, Findings } from './finding.ts';
import { verifyDeliveries, verifyFeed, verifyTombstones } from './verify-days.ts';
import { verifyTask } from './verify-task.ts';
import { verifyWorkflow } from './verify-workflow.ts';

/** Looks at files that a process may be writing to, and the time between two of them: longer than a tick of the store. */
const LOOKS_MAX = 5;
const LOOK_MS = 1_200;

export interface VerifyOptions {
  readonly logDir: string;
  readonly workflowDir: string;
  /** Whether a process holds the directory: what is wrong is looked at again, since it may be about to be written. */
  readonly isHeld: boolean;
  /** Milliseconds between two looks. Default 1,200. */
  readonly lookMs?: number;
  /** Which to look at; the other kinds of files are looked at when both are absent. */
  readonly wantsTask?: (id: string) => Promise<boolean>;
  readonly wantsWorkflow?: (id: string) => Promise<boolean>;
}

export interface Verified {
  readonly tasks: number;
  readonly workflows: number;
  /** Days of deliveries and of the feed. */
  readonly days: number;
}

/** Looks at the files of a log directory and calls `onFinding` with what is wrong. Changes nothing. */
export async function verifyDirectory(
  options: VerifyOptions,
  onFinding: (finding: Finding) => void,
): Promise<Verified> {
  const { logDir, workflowDir, wantsTask, wantsWorkflow } = options;
  const isWhole = wantsTask === undefined && wantsWorkflow === undefined;
  const counts = { tasks: 0, workflows: 0, days: 0 };
  const look = async (check: Check): Promise<void> => {
    for (const finding of await lookAt(check, options)) onFinding(finding);
  };
  if (isWhole || wantsTask !== undefined) {
    for (const id of (await namesIn(logDir)).filter(isPathSafeId).sort()) {
      if (wantsTask !== undefined && !(await wantsTask(id))) continue;
      const path = join(logDir, id);
      if (!(await lstat(path)).isDirectory()) continue;
      counts.tasks += 1;
      await look({ of: { kind: 'task', id }, name: id, paths: [path], run: () => verifyTask(logDir, id) });
    }
  }
  if (isWhole || wantsWorkflow !== undefined) {
    for (const month of await new WorkflowPlaces(workflowDir).months()) {
      const folder = join(OWN_NAMES.workflows, month.slice(workflowDir.length));
      for (const [id, names] of filesByWorkflow(await readableNamesIn(month))) {
        if (wantsWorkflow !== undefined && !(await wantsWorkflow(id))) continue;
        counts.workflows += 1;
        const paths = names.map((name) => join(month, name));
        const run = (): Promise<Findings> => verifyWorkflow({ id, month, folder });
        await look({ of: { kind: 'workflow', id }, name: join(folder, id), paths, run });
      }
    }
  }
  if (!isWhole) return counts;
  for (const [dir, kind, run] of [
    [join(logDir, OWN_NAMES.webhooks), 'webhooks', verifyDeliveries],
    [join(workflowDir, OWN_NAMES.feed), 'feed', verifyFeed],
  ] as const) {
    for (const name of (await readableNamesIn(dir)).filter((one) => DAY_FILE.test(one)).sort()) {
      counts.days += 1;
      await look({ of: { kind, id: name }, name, paths: [join(dir, name)], run: () => run(dir, name) });
    }
  }
  await look({
    of: { kind: 'pruned', id: OWN_NAMES.pruned },
    name: OWN_NAMES.pruned,
    paths: [join(logDir, OWN_NAMES.pruned)],
    run: () => verifyTombstones(logDir, OWN_NAMES.pruned),
  });
  return counts;
}

interface Check {
  readonly of: Pick<Finding, 'kind' | 'id'>;
  readonly name: string;
  /** Their times show whether a process writes. */
  readonly paths: readonly string[];
  run(): Promise<Findings>;
}

/** What stays wrong while nothing writes. */
async function lookAt(
  check: Check,
  { isHeld, lookMs = LOOK_MS }: VerifyOptions,
): Promise<readonly Finding[]> {
  for (let look = 1; ; look += 1) {
    const before = await signatureOf(check.paths);
    const found = await findingsOf(check);
    const isStill = before === (await signatureOf(check.paths));
    const isConfirmed = isStill && (!isHeld || look > 1);
    if (found.length === 0 || isConfirmed) return found;
    if (look === LOOKS_MAX) {
      const findings = new Findings(check.of);
      findings.add('changing', check.name, 'not checked');
      return findings.found;
    }
    await delay(lookMs);
  }
}

async function findingsOf({ of, name, run }: Check): Promise<readonly Finding[]> {
  try {
    return (await run()).found;
  } catch (error) {
    // Removed meanwhile, by retention.
    if (errnoOf(error) === 'ENOENT') return [];
    const findings = new Findings(of);
    findings.add(isNoFile(error) ? 'not_a_file' : 'unreadable', name, messageOf(error));
    return findings.found;
  }
}

/** Size and time of the files, and of those in a folder. */
async function signatureOf(paths: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const path of paths) {
    const stats = await lstat(path).catch(() => undefined);
    parts.push(stats === undefined ? '-' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`);
    if (stats?.isDirectory() !== true) continue;
    const names = (await readableNamesIn(path)).map((name) => join(path, name));
    parts.push(await signatureOf(names));
  }
  return parts.join('|');
}
