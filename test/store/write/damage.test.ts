import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseObject } from '../../../src/model/json.ts';
import { compressTask } from '../../../src/store/compress.ts';
import { runRetention } from '../../../src/store/keep/retention.ts';
import { Tombstones } from '../../../src/store/keep/tombstones.ts';
import { DAMAGES, missingFrom } from '../../support/damages.ts';
import { filesIn, openStore } from '../../support/log-dir.ts';
import { outputLog } from '../../support/records.ts';
import {
  settledTask,
  settledWorkflow,
  TASK_FILES,
  WORKFLOW,
  WORKFLOW_FILES,
  workflowEvent,
} from '../../support/settled.ts';

const DAY_MS = 86_400_000;

const DOCUMENTS: readonly string[] = ['metadata.json', '01-input.json', '04-final-result.json'];

/** A start, some days, compression, a start, a late record, a start. */
async function goOn(dir: string): Promise<void> {
  let again = openStore(dir);
  await again.store.recover();
  await again.pass(12_000);
  await again.pass(DAY_MS);
  await runRetention({
    ...{
      logDir: dir,
      workflowDir: join(dir, '_workflow'),
      taskDays: 300,
      workflowDays: 300,
      compressDays: 1,
    },
    nowMs: Date.parse('2026-02-10T00:00:00Z'),
    tombstones: await Tombstones.open(dir),
  });
  again = openStore(dir);
  await again.store.recover();
  await again.logs(outputLog(8));
  await again.pass(12_000);
}

const TASK_CASES = TASK_FILES.flatMap((file) =>
  Object.keys(DAMAGES).map((damage) => [file, damage] as const),
);

test.for(TASK_CASES)('%s %s: no file says less', async ([file, damage]) => {
  const { store, dir, older } = await settledTask();
  const before = filesIn(dir);
  DAMAGES[damage]?.(join(dir, file), older[file]);
  const damaged = existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '';
  await goOn(store.dir);
  const after = filesIn(dir);
  for (const name of DOCUMENTS) {
    const { schema_version: _version, ...said } = parseObject(before[name]) ?? {};
    expect(missingFrom(said, parseObject(after[name])), name).toEqual([]);
  }
  // Those that are whole stay as they were.
  for (const name of TASK_FILES) if (name !== file) expect(after[name], name).toBe(before[name]);
  if (DOCUMENTS.includes(file)) {
    // What a newer version said is kept.
    if (damage.includes('newer') && !damage.includes('other names'))
      expect(missingFrom(parseObject(damaged), parseObject(after[file])).join()).toEqual('');
    if (damage.includes('not known')) expect(after[file]).toBe(damaged);
  } else {
    // Every whole line is kept, also one of an unknown form.
    const kept = after[file]?.split('\n') ?? [];
    for (const line of damaged.split('\n')) if (parseObject(line) !== undefined) expect(kept).toContain(line);
  }
});

async function goOnWorkflow(dir: string): Promise<void> {
  for (const late of [[], [workflowEvent(3, 'step_complete', { phase: 'build', step: { name: 'test' } })]]) {
    const again = openStore(dir);
    await again.store.recover();
    await again.logs(...late);
    await again.pass(12_000);
    await again.pass(60_000);
  }
}

const WORKFLOW_CASES = WORKFLOW_FILES.flatMap((file) =>
  Object.keys(DAMAGES).map((damage) => [file, damage] as const),
);

test.for(WORKFLOW_CASES)('<workflow_id>%s %s: no file says less', async ([suffix, damage]) => {
  const { store, dir, older } = await settledWorkflow();
  const file = WORKFLOW + suffix;
  const before = filesIn(dir);
  DAMAGES[damage]?.(join(dir, file), older[file]);
  const damaged = existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : '';
  await goOnWorkflow(store.dir);
  const after = filesIn(dir);
  const name = `${WORKFLOW}.json`;
  const { schema_version: _version, revision, ...said } = parseObject(before[name]) ?? {};
  const now = parseObject(after[name]);
  // A revision number is not used for two documents.
  expect(now?.revision).toBeGreaterThanOrEqual(Number(revision));
  // Its events have the fields of the newer version too.
  if (suffix === '.json' && damage.includes('newer')) delete (said as { events?: unknown }).events;
  expect(missingFrom(said, now)).toEqual([]);
  for (const other of WORKFLOW_FILES)
    if (other !== suffix) expect(after[WORKFLOW + other], other).toBe(before[WORKFLOW + other]);
  if (suffix === '.json' || suffix === '.uploaded') {
    if (damage.includes('newer') && !damage.includes('other names'))
      expect(missingFrom(parseObject(damaged), parseObject(after[file])).join()).toEqual('');
    return;
  }
  const kept = after[file]?.split('\n') ?? [];
  for (const line of damaged.split('\n')) if (parseObject(line) !== undefined) expect(kept).toContain(line);
});

test.for(['03-agent-output.jsonl', 'trace.jsonl'])(
  'an older %s that is put beside its compressed form takes nothing away',
  async (file) => {
    for (const next of ['a start', 'the next compression']) {
      const { store, dir, older } = await settledTask();
      const before = filesIn(dir);
      await compressTask(dir);
      writeFileSync(join(dir, file), older[file] ?? '');
      if (next === 'the next compression') await compressTask(dir);
      const again = openStore(store.dir);
      await again.logs(outputLog(8));
      await again.pass(12_000);
      for (const name of TASK_FILES) expect(filesIn(dir)[name], `${name}: ${next}`).toBe(before[name]);
    }
  },
);
