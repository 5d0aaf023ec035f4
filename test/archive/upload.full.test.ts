import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WorkflowDocument } from '../../src/model/workflow.ts';
import {
  ACCESS_KEY,
  findVersitygw,
  type S3Server,
  SECRET_KEY,
  startVersitygw,
} from '../support/versitygw.ts';
import { artifact, documentFrom, idsOf, RUN, renamed, WORKFLOW_ID } from './documents.ts';
import { BUCKET, eventually, type Machine, newMachine, runArchive, TestClock } from './fixture.ts';
import { NOT_IMPLEMENTED, PASS, type ProxyServer, SLOW_DOWN, startProxy, type Treatment } from './proxy.ts';

const gateway = findVersitygw();
const KEY = `workflow/2025/12/${WORKFLOW_ID}.json`;
const DOCUMENT = documentFrom([...RUN, artifact(30, 'a')]);

describe.skipIf('missing' in gateway)('an S3 server that misbehaves', () => {
  let server: S3Server;
  let proxy: ProxyServer;
  let machine: Machine;
  let clock: TestClock;

  beforeAll(async () => {
    server = await startVersitygw('path' in gateway ? gateway.path : '');
    await server.makeBucket(BUCKET);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', ACCESS_KEY);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', SECRET_KEY);
    const { DeleteObjectCommand } = await import('@aws-sdk/client-s3');
    await server.client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: KEY }));
    proxy = await startProxy(server.endpoint);
    machine = await newMachine();
    clock = new TestClock();
    await machine.write(DOCUMENT);
  });
  afterEach(() => vi.unstubAllEnvs());

  const inS3 = async (): Promise<WorkflowDocument> => JSON.parse((await server.get(BUCKET, KEY)) ?? 'null');

  test('answers 503 for ten minutes: reported after the second failure, retried with backoff, then uploaded', async () => {
    const until = clock.now() + 600_000;
    const answer: Treatment = { kind: 'answer', status: 503, body: SLOW_DOWN };
    proxy.treat = () => (clock.now() < until ? answer : PASS);
    const { books } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(599_000);
    expect(books.reasons.get('s3')).toBe(
      `s3://${BUCKET}: the server answers 503 SlowDown: Please reduce your request rate.; 1 workflow document waits`,
    );
    // 1, 2, 4, ... 32 s, then once a minute.
    expect(proxy.seen.length).toBeLessThan(20);
    await clock.pass(70_000);
    expect(books.reasons.size).toBe(0);
    expect(await inS3()).toEqual(DOCUMENT);
  });

  test('is called for one document at a time while it is down', async () => {
    for (let nth = 0; nth < 20; nth += 1) await machine.write(renamed(DOCUMENT, `w${nth}-20251202T150000Z`));
    proxy.treat = () => ({ kind: 'answer', status: 503, body: SLOW_DOWN });
    const { books } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(60_000);
    expect(proxy.seen.length).toBeLessThan(10);
    expect(new Set(proxy.seen.map(({ path }) => path)).size).toBe(proxy.seen.length);
    expect(books.reasons.get('s3')).toContain('21 workflow documents wait');
  });

  test('dies in the middle of an upload: the object stays, and the upload is repeated', async () => {
    await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
    proxy.treat = ({ method }) => (method === 'PUT' ? { kind: 'cut' } : PASS);
    const { books } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(10_000);
    expect(books.reasons.get('s3')).toContain('the connection broke (ECONNRESET)');
    expect(idsOf(await inS3())).not.toContain('event-0030');
    proxy.treat = () => PASS;
    await clock.pass(60_000);
    expect(idsOf(await inS3())).toEqual(expect.arrayContaining(['event-0030', 'event-0040']));
    expect(await machine.uploaded(WORKFLOW_ID)).toMatchObject({ revision: 1 });
  });

  test('dies after it has stored the document: it is not written twice', async () => {
    let isCut = false;
    proxy.treat = async ({ method, body }) => {
      if (method !== 'PUT' || isCut) return PASS;
      isCut = true;
      await server.put(BUCKET, KEY, body.toString());
      return { kind: 'cut' };
    };
    runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(10_000);
    expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined();
    expect(proxy.seen.filter(({ method }) => method === 'PUT')).toHaveLength(1);
    expect(await inS3()).toEqual(DOCUMENT);
  });

  test('dies while it sends the object: a truncated body is not used', async () => {
    await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
    proxy.treat = ({ method }) => (method === 'GET' ? { kind: 'cut answer' } : PASS);
    const { books } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(5_000);
    expect(books.reasons.get('s3')).toContain('connection broke');
    expect(proxy.seen.filter(({ method }) => method === 'PUT')).toEqual([]);
  });

  test.each([
    ['garbage', true, () => 'garbage'],
    ['half of the document', true, (sent: string) => sent.slice(0, sent.length / 2)],
    ['nothing', true, () => ''],
    ['another payload', true, (sent: string) => sent.replaceAll('"path":"a"', '"path":"b"')],
    ['another payload, and names no etag', false, (sent: string) => sent.replaceAll('"a"', '"b"')],
    ['the same document with a byte more', true, (sent: string) => `${sent} `],
  ])(
    'accepts the document and stores %s: detected, reported, and repaired later',
    async (_what, hasEtag, alter) => {
      await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
      proxy.treat = async ({ method, body }) => {
        if (method !== 'PUT') return PASS;
        const etag = await server.put(BUCKET, KEY, alter(body.toString()));
        return { kind: 'answer', status: 200, ...(hasEtag && { etag }) };
      };
      const { books } = runArchive(machine, proxy.endpoint, { clock });
      await clock.pass(10_000);
      expect(books.reasons.get('s3')).toContain(
        'the server accepted the document and stored different content',
      );
      expect(await machine.uploaded(WORKFLOW_ID)).toBeUndefined();
      proxy.treat = () => PASS;
      await clock.pass(60_000);
      expect(await machine.uploaded(WORKFLOW_ID)).toBeDefined();
      // Includes the events of the old object, which exist nowhere else.
      expect(idsOf(await inS3())).toEqual(expect.arrayContaining(['event-0030', 'event-0040']));
      expect(JSON.stringify(await inS3())).toContain('"path":"a"');
    },
  );

  test('accepts the document and does not have it: it is not marked as uploaded', async () => {
    proxy.treat = ({ method }) => (method === 'PUT' ? { kind: 'answer', status: 200 } : PASS);
    const { books } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(10_000);
    expect(books.reasons.get('s3')).toContain('the server accepted the document and does not have it');
    expect(await machine.uploaded(WORKFLOW_ID)).toBeUndefined();
  });

  test('never answers: the request times out', async () => {
    proxy.treat = () => ({ kind: 'silence' });
    const { books } = runArchive(machine, proxy.endpoint, { clock, idleTimeoutMs: 200 });
    await eventually(() => expect(books.notices.get('s3')).toContain('does not answer in time'));
  });

  test('never answers: close does not wait for it', async () => {
    proxy.treat = () => ({ kind: 'silence' });
    const { archive } = runArchive(machine, proxy.endpoint, { idleTimeoutMs: 600_000 });
    await eventually(() => expect(proxy.seen).toHaveLength(1));
    // A close that waited for the answer would run into the timeout of the test.
    await archive.close(50);
    expect(await machine.outbox.pending()).toEqual([WORKFLOW_ID]);
  });

  test('breaks every connection for one document: the others are uploaded', async () => {
    for (let nth = 0; nth < 5; nth += 1) await machine.write(renamed(DOCUMENT, `w${nth}-20251202T150000Z`));
    proxy.treat = ({ path }) => (path.includes(WORKFLOW_ID) ? { kind: 'cut' } : PASS);
    runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(60_000);
    expect(await machine.outbox.pending()).toEqual([WORKFLOW_ID]);
  });

  test('does not support conditional writes: written without a condition', async () => {
    proxy.treat = ({ method, headers }) =>
      method === 'PUT' && (headers['if-none-match'] ?? headers['if-match']) !== undefined
        ? { kind: 'answer', status: 501, body: NOT_IMPLEMENTED }
        : PASS;
    const { archive } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(10_000);
    expect(await inS3()).toEqual(DOCUMENT);
    await machine.write(documentFrom([...DOCUMENT.events, artifact(40, 'late')], 2));
    archive.notify(WORKFLOW_ID);
    await clock.pass(10_000);
    expect(await inS3()).toMatchObject({ revision: 2 });
    // A condition is sent once, then no more.
    expect(proxy.seen.filter(({ method }) => method === 'PUT')).toHaveLength(3);
  });

  test('another writer writes between read and write: its events stay', async () => {
    let isDone = false;
    proxy.treat = async ({ method }) => {
      if (method === 'PUT' && !isDone) {
        isDone = true;
        await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
      }
      return PASS;
    };
    runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(1_000);
    expect(idsOf(await inS3())).toEqual(expect.arrayContaining(['event-0030', 'event-0040']));
    const puts = proxy.seen.filter(({ method }) => method === 'PUT');
    expect(puts.map(({ headers }) => headers['if-none-match'] ?? headers['if-match'])).toEqual([
      '*',
      expect.stringMatching(/^"?[0-9a-f]{32}"?$/),
    ]);
  });

  test('another writer replaces the document right after it was written: the earlier events are kept too', async () => {
    await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(50, 'before')])));
    let isDone = false;
    proxy.treat = async ({ method, body }) => {
      if (method !== 'PUT' || isDone) return PASS;
      isDone = true;
      const etag = await server.put(BUCKET, KEY, body.toString());
      await server.put(BUCKET, KEY, JSON.stringify(documentFrom([...RUN, artifact(40, 'theirs')])));
      return { kind: 'answer', status: 200, etag };
    };
    const { books } = runArchive(machine, proxy.endpoint, { clock });
    await clock.pass(1_000);
    expect([...books.reasons, ...books.notices]).toEqual([]);
    expect(idsOf(await inS3())).toEqual(expect.arrayContaining(['event-0030', 'event-0040', 'event-0050']));
  });
});
