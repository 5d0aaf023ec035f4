import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Outbox } from '../../../src/archive/outbox.ts';
import { type UploadTarget, WorkflowUploads } from '../../../src/store/keep/workflow-uploads.ts';
import { WorkflowPlaces } from '../../../src/store/workflow-place.ts';
import { tempDir } from '../../support/log-dir.ts';

const ID = 'workflow-199-20251202T150000Z';
const UNSTAMPED = 'nightly';
const AT = '2026-01-02T03:04:05.000Z';
const TARGET: UploadTarget = {
  bucket: 'logs',
  keyOf: (id, { year, month }) => `${year}/${month}/${id}.json`,
};

async function opened(target: UploadTarget = TARGET, dir?: string) {
  const workflowDir = dir ?? (await tempDir());
  const month = join(workflowDir, '2025', '12');
  await mkdir(month, { recursive: true });
  return { workflowDir, month, uploads: new WorkflowUploads(new WorkflowPlaces(workflowDir), target) };
}

function documentText(id: string, revision = 1): string {
  return `${JSON.stringify({ event_type: 'workflow_complete', workflow_id: id, events: [], revision })}\n`;
}

function mark(id: string, revision = 1) {
  return { bucket: 'logs', key: `2025/12/${id}.json`, revision, verified_at: AT, etag: '"e"' };
}

test('WorkflowUploads implements the outbox of the archive', async () => {
  const { uploads } = await opened();
  const outbox: Outbox = uploads;
  expect(await outbox.pending()).toEqual([]);
});

test('documents are pending, oldest month first, until their revision is verified', async () => {
  const { uploads, month, workflowDir } = await opened();
  await mkdir(join(workflowDir, '2026', '01'), { recursive: true });
  await writeFile(
    join(workflowDir, '2026', '01', 'b-20260101T000000Z.json'),
    documentText('b-20260101T000000Z'),
  );
  await writeFile(join(month, `${ID}.json`), documentText(ID));
  expect(await uploads.pending()).toEqual([ID, 'b-20260101T000000Z']);
  expect(await uploads.isUploaded(ID)).toBe(false);
  await uploads.markVerified(ID, mark(ID));
  expect(await uploads.pending()).toEqual(['b-20260101T000000Z']);
  expect(await uploads.isUploaded(ID)).toBe(true);
  await writeFile(join(month, `${ID}.json`), documentText(ID, 2));
  expect(await uploads.pending()).toEqual([ID, 'b-20260101T000000Z']);
  expect(await uploads.isUploaded(ID)).toBe(false);
});

test('running workflows, temporary files and foreign files are not pending', async () => {
  const { uploads, month } = await opened();
  const names = [`${ID}.jsonl`, `${ID}.facts`, `.${ID}.json.77.tmp`, '.json', '_x.json', 'x.trace.json'];
  for (const name of names) await writeFile(join(month, name), '{}\n');
  expect(await uploads.pending()).toEqual([]);
});

test('all documents are pending again for another bucket or prefix', async () => {
  const { uploads, month, workflowDir } = await opened();
  await writeFile(join(month, `${ID}.json`), documentText(ID));
  await uploads.markVerified(ID, mark(ID));
  const elsewhere = await opened({ ...TARGET, bucket: 'other' }, workflowDir);
  const renamed = await opened({ ...TARGET, keyOf: (id) => `new/${id}.json` }, workflowDir);
  expect(await uploads.pending()).toEqual([]);
  expect(await elsewhere.uploads.pending()).toEqual([ID]);
  expect(await renamed.uploads.pending()).toEqual([ID]);
});

test('the object is named after the month of the folder', async () => {
  const { uploads, month } = await opened();
  for (const id of [ID, UNSTAMPED]) {
    await writeFile(join(month, `${id}.json`), documentText(id));
    expect(await uploads.read(id)).toMatchObject({
      key: `2025/12/${id}.json`,
      document: { workflow_id: id },
    });
  }
});

test('a workflow without a document has nothing to upload', async () => {
  const { uploads, month } = await opened();
  await writeFile(join(month, `${ID}.jsonl`), '{}\n');
  expect(await uploads.read(ID)).toBeUndefined();
  expect(await uploads.read(UNSTAMPED)).toBeUndefined();
  expect(await uploads.isUploaded(ID)).toBe(false);
});

test('a damaged document is pending, and reading it is an error', async () => {
  const { uploads, month } = await opened();
  for (const text of ['{"workfl', '[]', documentText('another'), '{}']) {
    await writeFile(join(month, `${ID}.json`), text);
    await writeFile(join(month, `${ID}.uploaded`), JSON.stringify(mark(ID)));
    expect(await uploads.pending()).toEqual([ID]);
    await expect(uploads.read(ID)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: `the document of workflow ${ID} is damaged`,
    });
  }
});

test('a damaged mark is ignored', async () => {
  const { uploads, month } = await opened();
  await writeFile(join(month, `${ID}.json`), documentText(ID));
  for (const text of ['', '{"bucket":', '[]', JSON.stringify({ ...mark(ID), revision: '1' })]) {
    await writeFile(join(month, `${ID}.uploaded`), text);
    expect(await uploads.pending()).toEqual([ID]);
  }
});

test('the mark has bucket, key and revision, and no temporary file is left', async () => {
  const { uploads, month } = await opened();
  await writeFile(join(month, `${ID}.json`), documentText(ID));
  await uploads.markVerified(ID, mark(ID));
  expect(JSON.parse(await readFile(join(month, `${ID}.uploaded`), 'utf8'))).toEqual({
    ...mark(ID),
    schema_version: 1,
  });
  expect((await readdir(month)).sort()).toEqual([`${ID}.json`, `${ID}.uploaded`]);
});

test('a workflow that was removed during the upload gets no mark', async () => {
  const { uploads, month } = await opened();
  await writeFile(join(month, `${ID}.json`), documentText(ID));
  await rm(join(month, `${ID}.json`));
  await uploads.markVerified(ID, mark(ID));
  await uploads.markVerified(UNSTAMPED, mark(UNSTAMPED));
  expect(await readdir(month)).toEqual([]);
});
