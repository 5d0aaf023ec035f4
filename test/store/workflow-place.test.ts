import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { WorkflowPlaces, workflowFile } from '../../src/store/workflow-place.ts';
import { tempDir } from '../support/log-dir.ts';

const TIME = '2026-03-04T05:06:07.000Z';

function writeFacts(dir: string, month: string, id: string): void {
  mkdirSync(join(dir, month), { recursive: true });
  writeFileSync(join(dir, month, `${id}.facts`), '');
}

test('a stamp in the id gives the month, without a look at the folders', async () => {
  const places = new WorkflowPlaces('/missing');
  for (const id of ['workflow-42-20251202T150000Z-ab12', '20251202T150000Z', 'a.20251202T150000Z'])
    expect(await places.find(id)).toBe('/missing/2025/12');
  for (const id of ['workflow-1', 'x20251202T150000Z', 'w-20251302T150000Z'])
    expect(await places.find(id)).toBeUndefined();
});

test('a workflow without a stamp is found by its files, in the earliest month', async () => {
  const dir = await tempDir();
  writeFacts(dir, '2026/02', 'review');
  writeFacts(dir, '2025/11', 'review');
  expect(await new WorkflowPlaces(dir).find('review')).toBe(join(dir, '2025', '11'));
});

test('a new workflow gets the month of its first event, which is kept until it is forgotten', async () => {
  const dir = await tempDir();
  const places = new WorkflowPlaces(dir);
  const month = join(dir, '2026', '03');
  expect(await places.place('review', TIME)).toBe(month);
  expect(await places.place('review', '2026-05-01T00:00:00.000Z')).toBe(month);
  // Not searched again: an event must not cost a look at every folder.
  writeFacts(dir, '2026/01', 'review');
  expect(await places.find('review')).toBe(month);
  places.forget('review');
  expect(await places.find('review')).toBe(join(dir, '2026', '01'));
});

test('months are listed oldest first, and other names are not', async () => {
  const dir = await tempDir();
  for (const path of ['2026/02', '2025/12', '2025/01', '2025/13', '2025/1', '_feed/01', '20255/01'])
    mkdirSync(join(dir, path), { recursive: true });
  writeFileSync(join(dir, '2024'), '');
  const months = await new WorkflowPlaces(dir).months();
  expect(months).toEqual(['2025/01', '2025/12', '2026/02'].map((month) => join(dir, month)));
  expect(await new WorkflowPlaces(join(dir, 'missing')).months()).toEqual([]);
});

test.each(['../x', '', 'a/b', '_feed'])('the id %j is refused', async (id) => {
  await expect(new WorkflowPlaces('/logs').find(id)).rejects.toMatchObject({ code: 'ERR_ID_INVALID' });
  expect(() => workflowFile('/logs/2026/01', id, 'facts')).toThrow(
    expect.objectContaining({ code: 'ERR_ID_INVALID' }),
  );
});
