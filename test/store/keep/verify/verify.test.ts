import { appendFileSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compressTask } from '../../../../src/store/compress.ts';
import { type Finding, isNote } from '../../../../src/store/keep/verify/finding.ts';
import { verifyDirectory } from '../../../../src/store/keep/verify/verify.ts';
import { DAMAGES } from '../../../support/damages.ts';
import { filesIn, newStore, openStore } from '../../../support/log-dir.ts';
import { log, outputLog } from '../../../support/records.ts';
import {
  settledTask,
  settledWorkflow,
  TASK_FILES,
  WORKFLOW,
  WORKFLOW_FILES,
} from '../../../support/settled.ts';

async function verified(
  logDir: string,
  more: { isHeld?: boolean; lookMs?: number } = {},
): Promise<Finding[]> {
  const found: Finding[] = [];
  const workflowDir = join(logDir, '_workflow');
  await verifyDirectory({ logDir, workflowDir, isHeld: false, ...more }, (one) => found.push(one));
  return found;
}

const problemsOf = (found: readonly Finding[]): string[] => found.map(({ problem }) => problem);

test('whole directories have no findings, also after a restart, a late line and compression', async () => {
  const { store, dir } = await settledTask();
  expect(await verified(store.dir)).toEqual([]);
  await store.logs(outputLog(3), log({ event: 'x', body: 'foreign' }));
  expect(await verified(store.dir)).toEqual([]);
  await store.pass(12_000);
  await store.pass(60_000);
  expect(Object.keys(filesIn(dir))).toContain('manifest.json');
  await compressTask(dir);
  expect(await verified(store.dir)).toEqual([]);
  await openStore(store.dir).store.recover();
  expect(await verified(store.dir)).toEqual([]);
  const workflow = await settledWorkflow();
  expect(await verified(workflow.store.dir)).toEqual([]);
});

test('looking changes nothing', async () => {
  const { store, dir } = await settledTask();
  DAMAGES['cut at its end']?.(join(dir, 'facts.jsonl'), undefined);
  const before = filesIn(store.dir);
  await verified(store.dir);
  expect(filesIn(store.dir)).toEqual(before);
});

const CASES = TASK_FILES.flatMap((file) => Object.keys(DAMAGES).map((damage) => [file, damage] as const));

test.for(CASES)('%s %s is named', async ([file, damage]) => {
  const { store, dir, older } = await settledTask();
  DAMAGES[damage]?.(join(dir, file), older[file]);
  const found = await verified(store.dir);
  const own = found.filter((one) => one.file === join('task-1', file));
  expect(own).not.toEqual([]);
  // An unknown form of a newer version is no damage by itself; the manifest still says that the file was changed.
  if (damage.includes('newer') && file.endsWith('.json')) expect(own.map(isNote)).toEqual([true]);
  if (file.endsWith('.jsonl') && damage === 'with NUL after its end')
    expect(problemsOf(own)).toEqual(['torn_tail', 'grown']);
  if (file.endsWith('.jsonl') && damage === 'cut at its end') expect(problemsOf(own)).toContain('torn_tail');
  if (file.endsWith('.jsonl') && damage === 'with NUL in front')
    expect(own).toContainEqual(expect.objectContaining({ problem: 'damaged_line', line: 1 }));
});

test.for(CASES.filter(([, damage]) => !damage.includes('newer')))(
  '%s %s is still named after a start, unless the start has mended it',
  async ([file, damage]) => {
    const { store, dir, older } = await settledTask();
    const before = filesIn(dir);
    DAMAGES[damage]?.(join(dir, file), older[file]);
    const again = openStore(store.dir);
    await again.store.recover();
    await again.pass(12_000);
    await again.pass(60_000);
    if (filesIn(dir)[file] === before[file]) return;
    expect((await verified(store.dir)).filter((one) => !isNote(one))).not.toEqual([]);
  },
);

test.for(WORKFLOW_FILES.flatMap((file) => Object.keys(DAMAGES).map((damage) => [file, damage] as const)))(
  '<workflow_id>%s %s is named',
  async ([suffix, damage]) => {
    // Without a span or a mark there is nothing to miss, and a mark holds one line.
    const isUnknown =
      (suffix === '.trace.jsonl' || suffix === '.uploaded') &&
      /missing|backup|empty|cut to|start|not known/.test(damage);
    if (isUnknown || (suffix === '.uploaded' && damage.includes('newer'))) return;
    const { store, dir, older } = await settledWorkflow();
    const file = WORKFLOW + suffix;
    DAMAGES[damage]?.(join(dir, file), older[file]);
    const found = await verified(store.dir);
    if (damage.includes('not known') && suffix !== '.json') expect(found).toEqual([]);
    else expect(problemsOf(found)).not.toEqual([]);
  },
);

test('a changed character in the middle is damage, with its place', async () => {
  const { store, dir } = await settledTask();
  const path = join(dir, '03-agent-output.jsonl');
  writeFileSync(path, readFileSync(path, 'utf8').replace('line 8', 'line 7'));
  expect(await verified(store.dir)).toMatchObject([
    { problem: 'changed', file: 'task-1/03-agent-output.jsonl' },
  ]);
});

test('a removed line is missing, a document that was changed disagrees', async () => {
  const { store, dir } = await settledTask();
  const path = join(dir, '03-agent-output.jsonl');
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^.*line 8.*\n/m, ''));
  const result = join(dir, '04-final-result.json');
  writeFileSync(result, readFileSync(result, 'utf8').replace('0.25', '0.05'));
  const found = await verified(store.dir);
  expect(found).toContainEqual(expect.objectContaining({ problem: 'missing_lines' }));
  expect(found).toContainEqual(
    expect.objectContaining({ problem: 'disagrees', what: expect.stringContaining('in metrics') }),
  );
});

test('a running task beside its holder has no findings', async () => {
  const store = await newStore();
  let isDone = false;
  const writing = (async () => {
    for (let number = 1; !isDone; number += 1) await store.logs(outputLog(number));
  })();
  const dir = join(store.dir, 'task-1');
  await expect.poll(() => Object.keys(filesIn(store.dir)).length).toBeGreaterThan(1);
  for (let look = 0; look < 5; look += 1)
    expect((await verified(store.dir, { isHeld: true, lookMs: 20 })).filter((one) => !isNote(one))).toEqual(
      [],
    );
  isDone = true;
  await writing;
  expect(dir).toBeTruthy();
});

test('deliveries, tombstones and the feed are looked at', async () => {
  const { store } = await settledWorkflow();
  await store.logs(
    log({
      event: 'tasktrail.webhook.delivery',
      id: '01KDY000000000000000000077',
      body: { outcome: 'rejected', reason: 'x' },
      attributes: { 'tasktrail.webhook.provider': 'github' },
    }),
  );
  expect(await verified(store.dir)).toEqual([]);
  const day = join(store.dir, '_webhooks', '2026-01-02.jsonl');
  appendFileSync(day, '{"half');
  appendFileSync(join(store.dir, '_pruned.jsonl'), 'x\n');
  expect(await verified(store.dir)).toMatchObject([
    { kind: 'webhooks', problem: 'torn_tail', line: 2 },
    { kind: 'pruned', problem: 'damaged_line', line: 1 },
  ]);
  renameSync(day, join(store.dir, '_webhooks', '2026-01-03.jsonl'));
  expect(problemsOf(await verified(store.dir))).toContain('invalid_line');
});

test.runIf(process.platform !== 'win32')("what stands in place of a task's file is named", async () => {
  const { store, dir } = await settledTask();
  for (const file of ['facts.jsonl', 'metadata.json']) {
    const path = join(dir, file);
    renameSync(path, `${path}.kept`);
    symlinkSync('/etc/passwd', path);
    const found = await verified(store.dir);
    expect(found).toEqual([
      expect.objectContaining({
        problem: 'not_a_file',
        file: expect.stringContaining(file),
        what: 'it is a symbolic link, which is not followed',
      }),
    ]);
    renameSync(`${path}.kept`, path);
  }
});

test('a sidecar that does not fit its file is named', async () => {
  const { store, dir } = await settledTask();
  writeFileSync(join(dir, '03-agent-output.jsonl.offsets'), 'nonsense');
  writeFileSync(join(dir, 'trace.jsonl.moves'), 'nonsense\n');
  const found = await verified(store.dir);
  expect(found.map(({ problem, file }) => [problem, file.split('/').at(-1)])).toEqual([
    ['wrong_sidecar', '03-agent-output.jsonl.offsets'],
    ['wrong_sidecar', 'trace.jsonl.moves'],
  ]);
});
