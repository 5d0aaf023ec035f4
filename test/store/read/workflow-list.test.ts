import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WorkflowQuery } from '../../../src/model/workflow.ts';
import { createWorkflowList } from '../../../src/store/read/workflow-list.ts';
import { WorkflowPlaces } from '../../../src/store/workflow-place.ts';
import { tempDir } from '../../support/log-dir.ts';
import { documentOf, wholeRun, writeWorkflow } from '../../support/workflow-files.ts';

interface Fixture {
  readonly dir: string;
  /** Ids in the order of the list. */
  ids(query?: Partial<WorkflowQuery>): Promise<unknown[]>;
  list: ReturnType<typeof createWorkflowList>;
}

async function newList(expectsUploads = false): Promise<Fixture> {
  const dir = await tempDir();
  const list = createWorkflowList(new WorkflowPlaces(dir), expectsUploads);
  const ids = async (query: Partial<WorkflowQuery> = {}): Promise<unknown[]> =>
    (await list({ limit: 10, ...query })).items.map(({ workflow_id }) => workflow_id);
  return { dir, ids, list };
}

test('workflows of all months are listed with filters', async () => {
  const { dir, ids } = await newList();
  writeWorkflow(join(dir, '2026', '11'), 'a', { facts: wholeRun('a') });
  writeWorkflow(join(dir, '2026', '10'), 'b', { facts: wholeRun('b', { project: 'other' }).slice(0, 3) });
  expect(await ids()).toEqual(['b', 'a']);
  expect(await ids({ project: 'other' })).toEqual(['b']);
  expect(await ids({ status: 'success' })).toEqual(['a']);
  expect(await ids({ environment: 'missing' })).toEqual([]);
  expect(await ids({ status: 'cancelled' })).toEqual([]);
  await expect(ids({ status: 'sucess' })).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
  expect(await ids({ work_item_id: '199', project: 'shop' })).toEqual(['a']);
});

test('a workflow is listed once: by its facts, and in the earlier of two months', async () => {
  const { dir, ids, list } = await newList();
  const facts = wholeRun('a');
  writeWorkflow(join(dir, '2026', '11'), 'a', { facts, document: documentOf('a', facts) });
  writeWorkflow(join(dir, '2026', '12'), 'a', { facts: wholeRun('a', { project: 'later' }) });
  expect(await ids()).toEqual(['a']);
  expect((await list({ limit: 1 })).items[0]?.project).toBe('shop');
});

test('foreign files, damaged facts and linked folders are not listed', async () => {
  const { dir, ids } = await newList();
  const month = writeWorkflow(join(dir, '2026', '11'), 'a', { facts: wholeRun('a') });
  writeWorkflow(month, 'damaged', { facts: 'nonsense\n' });
  writeFileSync(join(month, 'notes.txt'), '');
  mkdirSync(join(month, 'folder.facts'));
  symlinkSync('2026', join(dir, '2027'));
  expect(await ids()).toEqual(['a']);
});

test('the upload state is part of an item when uploads are expected', async () => {
  for (const expectsUploads of [true, false]) {
    const { dir, list } = await newList(expectsUploads);
    const facts = wholeRun('a');
    writeWorkflow(join(dir, '2026', '11'), 'a', { facts, document: documentOf('a', facts) });
    const [item] = (await list({ limit: 1 })).items;
    if (expectsUploads) expect(item?.upload).toMatchObject({ status: 'pending', url: null });
    else expect(item).not.toHaveProperty('upload');
  }
});
