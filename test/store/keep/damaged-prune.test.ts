import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { runRetention } from '../../../src/store/keep/retention.ts';
import { Tombstones } from '../../../src/store/keep/tombstones.ts';
import { DAMAGES } from '../../support/damages.ts';
import { filesIn } from '../../support/log-dir.ts';
import { settledTask, settledWorkflow, TASK_FILES, WORKFLOW, WORKFLOW_FILES } from '../../support/settled.ts';

/** The files are of 2026, whatever their times are: a copy has new ones. */
const LATER_MS = Date.parse('2126-01-01T00:00:00Z');

const casesOf = (files: readonly string[]): (readonly [string, string])[] =>
  files.flatMap((file) => Object.keys(DAMAGES).map((damage) => [file, damage] as const));

async function prune(logDir: string, days: number): Promise<Awaited<ReturnType<typeof runRetention>>> {
  return runRetention({
    ...{ logDir, workflowDir: join(logDir, '_workflow'), nowMs: LATER_MS },
    ...{ taskDays: days, workflowDays: days, tombstones: await Tombstones.open(logDir) },
  });
}

test.for(casesOf(TASK_FILES))(
  'prune with %s %s: all of the task, or nothing of it',
  async ([file, damage]) => {
    const { store, dir, older } = await settledTask();
    DAMAGES[damage]?.(join(dir, file), older[file]);
    const before = filesIn(dir);
    // Not old enough: a damage removes nothing.
    expect((await prune(store.dir, 73_000)).pruned).toEqual([]);
    expect(filesIn(dir)).toEqual(before);
    const { pruned, kept, problems } = await prune(store.dir, 30);
    expect(problems).toEqual([]);
    const id = basename(dir);
    // The metadata say that the task has ended. Nothing else does.
    const hasEnd = file !== 'metadata.json' || /newer version, with (?!other)/.test(damage);
    expect(pruned.map((item) => item.id)).toEqual(hasEnd ? [id] : []);
    if (hasEnd) {
      expect(existsSync(dir)).toBe(false);
      expect((await Tombstones.open(store.dir)).prunedAt('task', id)).toBeDefined();
      return;
    }
    expect(filesIn(dir)).toEqual(before);
    if (/cut|empty|NUL/.test(damage)) expect(kept.join()).toContain(id);
  },
);

test.for(casesOf(WORKFLOW_FILES))(
  'prune with <workflow_id>%s %s: all of the workflow, or nothing of it',
  async ([suffix, damage]) => {
    const { store, dir, older } = await settledWorkflow();
    const file = WORKFLOW + suffix;
    DAMAGES[damage]?.(join(dir, file), older[file]);
    const before = filesIn(dir);
    expect((await prune(store.dir, 73_000)).pruned).toEqual([]);
    expect(filesIn(dir)).toEqual(before);
    const { pruned, problems } = await prune(store.dir, 30);
    expect(problems).toEqual([]);
    const left = Object.keys(existsSync(dir) ? filesIn(dir) : {}).filter((name) => name.startsWith(WORKFLOW));
    const isGone = pruned.some((item) => item.id === WORKFLOW);
    if (isGone) expect(left).toEqual([]);
    else expect(filesIn(dir)).toEqual(before);
    // The document says that the workflow has ended, and which events it has.
    if (suffix === '.json') expect(isGone).toBe(/newer version, with (?!other)/.test(damage));
  },
);
