import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeDocument } from '../../../src/archive/stored-document.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import type { WorkflowDocument } from '../../../src/model/workflow.ts';
import { artifact, documentFrom, RUN, renamed, WORKFLOW_ID } from '../../archive/documents.ts';
import { tempDir } from '../../support/log-dir.ts';
import {
  ACCESS_KEY,
  findVersitygw,
  type S3Server,
  SECRET_KEY,
  startVersitygw,
} from '../../support/versitygw.ts';
import { type Env, type Run, runCommand } from '../run-command.ts';

const BUCKET = 'acme.logs.shop';
const OTHER_ID = 'workflow-200-20251202T150000Z';
const DOCUMENT = documentFrom([...RUN, artifact(30, 'a')]);
const OTHER = documentFrom(
  renamed(DOCUMENT, OTHER_ID).events.map((event) => ({ ...event, event_id: `other-${event.event_id}` })),
);
const keyOf = (id: string): string => `workflow/2025/12/${id}.json`;
const KEY = keyOf(WORKFLOW_ID);

const gateway = findVersitygw();

describe.skipIf('missing' in gateway)('the objects of workflows in S3', () => {
  let server: S3Server;
  let dir: string;

  beforeAll(async () => {
    server = await startVersitygw('path' in gateway ? gateway.path : '');
    await server.makeBucket(BUCKET);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    for (const key of (await server.objectsIn(BUCKET)).keys())
      await server.client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
    dir = await tempDir();
    for (const document of [DOCUMENT, OTHER]) {
      writeLocal(document);
      await server.put(BUCKET, keyOf(document.workflow_id), text(document));
    }
  });

  const monthOf = (): string => join(dir, '_workflow', '2025', '12');
  const text = (document: WorkflowDocument): string => Buffer.from(encodeDocument(document)).toString();

  function writeLocal(document: WorkflowDocument): void {
    mkdirSync(monthOf(), { recursive: true });
    const lines = document.events.map((event) => `${JSON.stringify(event)}\n`).join('');
    writeFileSync(join(monthOf(), `${document.workflow_id}.jsonl`), lines);
    writeFileSync(join(monthOf(), `${document.workflow_id}.json`), text(document));
  }

  function cli(args: readonly string[], env: Env = {}): Promise<Run> {
    const settings = { TASK_LOGS_S3_BUCKET: BUCKET, TASK_LOGS_S3_ENDPOINT: server.endpoint };
    const keys = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };
    return runCommand(args, { cwd: dir, env: { ...settings, ...keys, ...env } });
  }

  async function findings(args: readonly string[] = [], env: Env = {}): Promise<JsonObject[]> {
    const { stdout, stderr } = await cli(['verify', '--dir', dir, '--s3', '--json', ...args], env);
    expect(stderr).not.toContain('tasktrail:');
    const found = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as JsonObject]));
    return found.filter(({ kind }) => kind === 's3');
  }

  test('objects that have what the documents have are not named', async () => {
    expect(await findings()).toEqual([]);
  });

  test('also under a prefix that names no month', async () => {
    for (const document of [DOCUMENT, OTHER])
      await server.put(BUCKET, `all/${document.workflow_id}.json`, text(document));
    expect(await findings([], { TASK_LOGS_S3_PREFIX: 'all/' })).toEqual([]);
  });

  const half = text(DOCUMENT).slice(0, 200);
  const changed = { ...DOCUMENT, measured: { ...DOCUMENT.measured, retries: 99 } };
  test.for([
    ['nothing', '', 'damaged_document', 'the object is empty or not whole'],
    ['half a document', half, 'damaged_document', 'the object is empty or not whole'],
    ['a picture', '\u0089PNG', 'damaged_document', 'there is text that is not JSON'],
    ['another document', text(OTHER), 'damaged_document', 'not a document of this workflow'],
    ['no events', '{"workflow_id":"x"}', 'damaged_document', 'not a document of this workflow'],
    [
      'a document of a newer version',
      text({ ...DOCUMENT, schema_version: 99 as 1 }),
      'newer_version',
      'schema version 99',
    ],
    ['other counts than its events give', text(changed), 'disagrees', 'what its events give'],
    [
      'an event less',
      text(documentFrom(RUN)),
      'not_uploaded',
      '1 events of the document are not in the object',
    ],
  ] as const)('an object with %s is named', async ([, content, problem, what]) => {
    await server.put(BUCKET, KEY, content);
    expect(await findings()).toMatchObject([
      { id: WORKFLOW_ID, problem, what: expect.stringContaining(what) },
    ]);
  });

  test('an object with an event more than the document is whole: another machine has added it', async () => {
    await server.put(BUCKET, KEY, text(documentFrom([...RUN, artifact(30, 'a'), artifact(40, 'b')], 2)));
    expect(await findings()).toEqual([]);
  });

  test('a document without an object is named, and the command exits with 1', async () => {
    await server.client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: KEY }));
    expect(await findings()).toMatchObject([{ id: WORKFLOW_ID, problem: 'not_uploaded' }]);
    const { code, stdout } = await cli(['verify', '--dir', dir, '--s3']);
    expect(code).toBe(1);
    expect(stdout).toContain(`s3://${BUCKET}/${KEY}: there is no object for the document of the workflow`);
  });

  test('one workflow is looked at alone', async () => {
    await server.put(BUCKET, KEY, '');
    expect(await findings(['--workflow', OTHER_ID])).toEqual([]);
    expect(await findings(['--workflow', WORKFLOW_ID])).toHaveLength(1);
  });

  test('other objects in the bucket are not judged', async () => {
    await server.put(BUCKET, 'workflow/2025/12/readme.txt', 'x');
    await server.put(BUCKET, 'elsewhere/notes.json', 'x');
    expect(await findings()).toEqual([]);
  });

  test('without a bucket, and with a bucket that does not exist, the message says so', async () => {
    const args = ['verify', '--dir', dir, '--s3'];
    const wrong = await cli(args, { TASK_LOGS_S3_BUCKET: 'no-such-bucket' });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(
      's3://no-such-bucket: the bucket does not exist: create it, or correct its name',
    );
    expect(wrong.stderr).not.toContain('defect');
    const none = await cli(args, { TASK_LOGS_S3_BUCKET: '' });
    expect(none.code).toBeGreaterThan(1);
    expect(none.stderr).toContain('--s3: no bucket is set: TASK_LOGS_S3_BUCKET names it');
  });

  test('an empty directory is filled from the objects, byte for byte, and is clean', async () => {
    const wiped = await tempDir();
    const { code } = await cli(['rebuild', '--dir', wiped, '--from', `s3://${BUCKET}/workflow/`]);
    expect(code).toBe(0);
    const month = join(wiped, '_workflow', '2025', '12');
    for (const { workflow_id: id } of [DOCUMENT, OTHER])
      expect(readFileSync(join(month, `${id}.json`), 'utf8')).toBe(
        readFileSync(join(monthOf(), `${id}.json`), 'utf8'),
      );
    expect((await cli(['verify', '--dir', wiped, '--s3'])).stdout).toContain('nothing is wrong');
  });

  test('a document on disk is not replaced by an object, and a broken object is a problem', async () => {
    const before = readFileSync(join(monthOf(), `${WORKFLOW_ID}.json`), 'utf8');
    await server.put(BUCKET, KEY, text(documentFrom(RUN)));
    await server.put(BUCKET, keyOf(OTHER_ID), half);
    const { code, stderr } = await cli(['rebuild', '--dir', dir, '--from', `s3://${BUCKET}/workflow/`]);
    expect(code).toBe(1);
    expect(stderr).toContain(keyOf(OTHER_ID));
    expect(readFileSync(join(monthOf(), `${WORKFLOW_ID}.json`), 'utf8')).toBe(before);
    expect(readdirSync(monthOf()).filter((name) => name.endsWith('.json'))).toHaveLength(2);
  });
});
