import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WorkflowDocument } from '../../src/model/workflow.ts';
import {
  ACCESS_KEY,
  findBoto3,
  findVersitygw,
  runPython,
  type S3Server,
  SECRET_KEY,
  startVersitygw,
} from '../support/versitygw.ts';
import { artifact, documentFrom, idsOf, RUN, renamed, WORKFLOW_ID } from './documents.ts';
import { BUCKET, eventually, newMachine, runArchive, TestClock } from './fixture.ts';

const gateway = findVersitygw();
const KEY = `workflow/2025/12/${WORKFLOW_ID}.json`;
const DOCUMENT = documentFrom([...RUN, artifact(30, 'a')]);

describe.skipIf('missing' in gateway)('uploads to a real S3 server', () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startVersitygw('path' in gateway ? gateway.path : '');
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', ACCESS_KEY);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', SECRET_KEY);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    await server.makeBucket(BUCKET).catch(() => undefined);
    await emptyBucket(server);
  });
  afterEach(() => vi.unstubAllEnvs());

  const inS3 = async (key = KEY): Promise<WorkflowDocument> =>
    JSON.parse((await server.get(BUCKET, key)) ?? 'null');

  test('a finished workflow is uploaded unchanged and marked as verified', async () => {
    const machine = await newMachine();
    const { archive, books } = runArchive(machine, server.endpoint);
    await machine.write(DOCUMENT);
    archive.notify(WORKFLOW_ID);
    await eventually(async () => expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined());
    expect(await server.get(BUCKET, KEY)).toBe(`${JSON.stringify(DOCUMENT)}\n`);
    expect(await machine.uploaded(WORKFLOW_ID)).toMatchObject({
      bucket: BUCKET,
      key: KEY,
      revision: 1,
      etag: expect.any(String),
    });
    expect(await machine.outbox.pending()).toEqual([]);
    expect([...books.reasons, ...books.notices]).toEqual([]);
  });

  test('the consumer in the specification finds the completed workflow', async ({ skip }) => {
    const python = findBoto3();
    if ('missing' in python) return skip(python.missing);
    // The consumer lists the current month without padding: `{m}` works in every month.
    const machine = await newMachine('workflow/{year}/{m}/');
    const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const id = `workflow-200-${stamp}`;
    await machine.write(renamed(DOCUMENT, id));
    runArchive(machine, server.endpoint);
    await eventually(async () => expect(await machine.uploaded(id)).toBeDefined());
    const env = { ENDPOINT: server.endpoint, BUCKET, AWS_DEFAULT_REGION: 'us-east-1', TZ: 'UTC' };
    const printed = await runPython(python.path, [join(import.meta.dirname, 'consumer.py')], env);
    expect(printed).toBe(`Workflow ${id} completed: success\n`);
  });

  test('late events lead to a new revision of the object', async () => {
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    const { archive } = runArchive(machine, server.endpoint);
    await eventually(async () => expect(await machine.uploaded(WORKFLOW_ID)).toMatchObject({ revision: 1 }));
    await machine.write(documentFrom([...DOCUMENT.events, artifact(40, 'late')], 2));
    archive.notify(WORKFLOW_ID);
    await eventually(async () => expect(await machine.uploaded(WORKFLOW_ID)).toMatchObject({ revision: 2 }));
    expect(await inS3()).toMatchObject({ revision: 2, measured: { artifacts: 2 } });
  });

  test('an upload keeps the events that are only in S3', async () => {
    const machine = await newMachine();
    await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
    await machine.write(DOCUMENT);
    runArchive(machine, server.endpoint);
    await eventually(async () => expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined());
    expect(idsOf(await inS3())).toEqual(expect.arrayContaining([...idsOf(DOCUMENT), 'event-0040']));
    expect(await inS3()).toMatchObject({ revision: 2, measured: { artifacts: 2 } });
  });

  test('a complete object is not written again', async () => {
    const machine = await newMachine();
    const text = JSON.stringify(documentFrom([...DOCUMENT.events, artifact(40, 'theirs')], 4));
    await server.put(BUCKET, KEY, text);
    await machine.write(DOCUMENT);
    runArchive(machine, server.endpoint);
    await eventually(async () => expect(await machine.uploaded(WORKFLOW_ID)).toMatchObject({ revision: 1 }));
    expect(await server.get(BUCKET, KEY)).toBe(text);
  });

  test('two machines that upload the same workflows concurrently end with the union', async () => {
    const ids = Array.from({ length: 25 }, (_item, nth) => `run-${nth}-20251202T150000Z`);
    const machines = await Promise.all([newMachine(), newMachine()]);
    for (const [nth, machine] of machines.entries()) {
      const own = documentFrom([...RUN, artifact(30 + nth, `from ${nth}`)]);
      for (const id of ids) await machine.write(renamed(own, id));
    }
    for (const machine of machines) runArchive(machine, server.endpoint);
    await eventually(async () => {
      for (const id of ids) {
        const found = idsOf(await inS3(`workflow/2025/12/${id}.json`));
        expect(found).toEqual(expect.arrayContaining(['event-0030', 'event-0031']));
        expect(found).toHaveLength(RUN.length + 2);
      }
      for (const machine of machines) expect(await machine.outbox.pending()).toEqual([]);
    });
  });

  test('an unconditional overwrite by another writer is found by the second read', async () => {
    const clock = new TestClock();
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    runArchive(machine, server.endpoint, { clock });
    await eventually(async () => expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined());
    await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
    await clock.pass(4_000);
    expect(idsOf(await inS3())).not.toContain('event-0030');
    await clock.pass(2_000);
    expect(idsOf(await inS3())).toEqual(expect.arrayContaining(['event-0030', 'event-0040']));
  });

  test('an archive uploads the documents that an earlier one left', async () => {
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    await machine.write(renamed(DOCUMENT, 'other-20251101T000000Z'));
    const first = runArchive(machine, 'http://127.0.0.1:1', { clock: new TestClock() });
    await eventually(() =>
      expect(first.books.notices.get('s3')).toContain('cannot be reached: connect ECONNREFUSED 127.0.0.1:1'),
    );
    await first.archive.close(1_000);
    expect(await machine.outbox.pending()).toHaveLength(2);
    runArchive(machine, server.endpoint);
    await eventually(async () => expect(await machine.outbox.pending()).toEqual([]));
    expect(await inS3('workflow/2025/11/other-20251101T000000Z.json')).toMatchObject({ revision: 1 });
  });

  test('closing an archive first uploads the documents that are due', async () => {
    const machine = await newMachine();
    const { archive } = runArchive(machine, server.endpoint);
    await machine.write(DOCUMENT);
    archive.notify(WORKFLOW_ID);
    await archive.close(10_000);
    expect(await machine.outbox.pending()).toEqual([]);
    archive.notify(WORKFLOW_ID);
    await archive.close(0);
  });

  test('a missing bucket is reported by name, and all documents wait', async () => {
    const clock = new TestClock();
    const machine = await newMachine('', 'nowhere');
    await machine.write(DOCUMENT);
    await machine.write(renamed(DOCUMENT, 'other'));
    const { books, logged } = runArchive(machine, server.endpoint, { clock, bucket: 'nowhere' });
    await clock.pass(500);
    expect(books.reasons.get('s3')).toBeUndefined();
    expect(books.notices.get('s3')).toContain('does not exist');
    await clock.pass(60_000);
    expect(books.reasons.get('s3')).toBe(
      's3://nowhere: the bucket does not exist: create it, or correct its name; 2 workflow documents wait',
    );
    expect(logged).toHaveLength(1);
    await server.makeBucket('nowhere');
    await clock.pass(120_000);
    expect(books.reasons.size + books.notices.size).toBe(0);
    expect(logged.at(-1)).toContain('work again');
    expect(await machine.outbox.pending()).toEqual([]);
  });

  test.each([
    ['AWS_ACCESS_KEY_ID', 'nobody'],
    ['AWS_SECRET_ACCESS_KEY', 'a-wrong-secret'],
  ])('a wrong %s is reported without its value', async (name, value) => {
    vi.stubEnv(name, value);
    const clock = new TestClock();
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    const { books, logged } = runArchive(machine, server.endpoint, { clock });
    await clock.pass(10_000);
    expect(books.reasons.get('s3')).toContain('the credentials are refused');
    expect(JSON.stringify([...books.reasons, ...logged])).not.toContain(value);
  });

  test('missing credentials are reported with the variables to set', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, '');
    vi.stubEnv('HOME', '/nonexistent');
    const clock = new TestClock();
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    const { books } = runArchive(machine, server.endpoint, { clock });
    await clock.pass(10_000);
    expect(books.reasons.get('s3')).toContain('there are no credentials: set AWS_ACCESS_KEY_ID');
  });

  test('a foreign object is kept and reported, and other workflows are uploaded', async () => {
    const clock = new TestClock();
    const machine = await newMachine();
    await server.put(BUCKET, KEY, 'my notes');
    await machine.write(DOCUMENT);
    await machine.write(renamed(DOCUMENT, 'other-20251202T150000Z'));
    const { books } = runArchive(machine, server.endpoint, { clock });
    await clock.pass(10_000);
    expect(books.reasons.get('s3')).toBe(
      `s3://${BUCKET}: ${WORKFLOW_ID}: there is text that is not JSON: move or remove it; 1 workflow document waits`,
    );
    expect(await machine.uploaded('other-20251202T150000Z')).toBeDefined();
    expect(await server.get(BUCKET, KEY)).toBe('my notes');
    await server.put(BUCKET, KEY, '');
    await clock.pass(120_000);
    expect(await inS3()).toEqual(DOCUMENT);
    expect(books.reasons.size).toBe(0);
  });

  test('a damaged local document is reported, and the others are uploaded', async () => {
    const clock = new TestClock();
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    await mkdir(join(machine.dir, '2025', '11'));
    await writeFile(join(machine.dir, '2025', '11', 'torn-20251101T000000Z.json'), '{"workfl');
    const { books } = runArchive(machine, server.endpoint, { clock });
    await clock.pass(10_000);
    expect(books.reasons.get('s3')).toContain('the document of workflow torn-20251101T000000Z is damaged');
    expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined();
  });

  test('a workflow that was removed while it waited leaves the queue', async () => {
    const clock = new TestClock();
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    const { books } = runArchive(machine, server.endpoint, { clock });
    await clock.pass(10_000);
    await rm(join(machine.dir, '2025'), { recursive: true });
    await clock.pass(60_000);
    expect(books.reasons.size).toBe(0);
    expect(await server.get(BUCKET, KEY)).toBeUndefined();
  });

  test('a listing error is reported, and the listing is retried', async () => {
    const clock = new TestClock();
    const machine = await newMachine();
    await machine.write(DOCUMENT);
    let isBroken = true;
    const pending = (): Promise<readonly string[]> =>
      isBroken ? Promise.reject(new Error('EACCES: no')) : machine.outbox.pending();
    const outbox = {
      pending,
      read: (id: string) => machine.outbox.read(id),
      markVerified: machine.outbox.markVerified.bind(machine.outbox),
    };
    const { books } = runArchive({ outbox }, server.endpoint, { clock });
    await clock.pass(1_000);
    expect(books.reasons.get('s3 list')).toContain('EACCES');
    isBroken = false;
    await clock.pass(20_000);
    expect(books.reasons.size).toBe(0);
    expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined();
  });
});

async function emptyBucket(server: S3Server): Promise<void> {
  const { ListObjectsV2Command, DeleteObjectCommand } = await import('@aws-sdk/client-s3');
  const { Contents } = await server.client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  for (const { Key } of Contents ?? []) {
    await server.client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }));
  }
}
