import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { Books } from '../../../src/books.ts';
import { rebuild } from '../../../src/cli/rebuild/rebuild.ts';
import { keyValuesFromPlain, type ReceivedLog, type ReceivedSpan } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { SIGNALS } from '../../../src/receive/signals.ts';
import { DirectoryLock } from '../../../src/store/lock.ts';
import { Store } from '../../../src/store/write/store.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { filesIn, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog, span, spanId, T0 } from '../../support/records.ts';
import { settledTask, workflowEvent } from '../../support/settled.ts';

interface Run {
  readonly code: number;
  readonly stdout: string;
}

async function run(task: string | undefined, flags: Parameters<typeof rebuild>[1]): Promise<Run> {
  let stdout = '';
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stdout += text;
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
  ];
  try {
    return { code: await rebuild(task, flags), stdout };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Files without those of the lock, which differ in each directory. */
function stored(dir: string): Record<string, string> {
  const own = Object.entries(filesIn(dir)).filter(
    ([name]) => !/^_(?:lock|lease|key|directory)|_feed/.test(name),
  );
  return Object.fromEntries(own);
}

const LOGS: readonly ReceivedLog[] = [
  log({
    event: 'tasktrail.task.metadata',
    id: eventId(2),
    atMs: 2,
    body: { status: 'running', source: 'webhook', provider: 'github', created_at: '2026-01-02T03:04:04Z' },
  }),
  log({
    event: 'tasktrail.task.input',
    id: eventId(3),
    atMs: 3,
    body: { message: 'review it', source_metadata: { repo: 'acme/shop' } },
  }),
  outputLog(5),
  outputLog(4),
  log({
    event: 'tasktrail.task.result',
    id: eventId(9),
    atMs: 9,
    body: { success: true, status: 'completed', result: 'good', completed_at: '2026-01-02T03:04:05.008Z' },
  }),
  workflowEvent(20, 'workflow_start'),
  workflowEvent(22, 'workflow_complete', { status: 'success' }),
  log({
    event: 'tasktrail.webhook.delivery',
    id: eventId(30),
    atMs: 30,
    body: { outcome: 'rejected', reason: 'x' },
    attributes: { 'tasktrail.webhook.provider': 'github' },
  }),
];
const SPANS: readonly ReceivedSpan[] = [span({ id: spanId(2) }), span({ id: spanId(1) })];

/** One request with one record, as the collector's exporters write it. */
function requestOf(record: ReceivedLog | ReceivedSpan): string {
  if ('span' in record)
    return JSON.stringify({
      resourceSpans: [
        { resource: record.resource, scopeSpans: [{ scope: record.scope, spans: [record.span] }] },
      ],
    });
  const { attributes, body, ...more } = record.record;
  const [named] = keyValuesFromPlain({ body: body ?? null });
  const logRecord = { ...more, attributes: keyValuesFromPlain(attributes), body: named?.value };
  const resource = { attributes: keyValuesFromPlain(record.resource) };
  return JSON.stringify({
    resourceLogs: [{ resource, scopeLogs: [{ scope: record.scope, logRecords: [logRecord] }] }],
  });
}

/** A directory with what the service stored from these requests as they came, and all requests with the spans that it built. */
async function original(
  requests: readonly string[],
): Promise<{ readonly dir: string; readonly archived: readonly string[] }> {
  const dir = await tempDir();
  let now = T0 + 100;
  const built: string[] = [];
  const { resource, scope } = span({ id: spanId(1) });
  const store = new Store({
    logDir: dir,
    books: new Books(),
    now: () => now,
    onSpan: (own) => built.push(requestOf({ resource, scope, span: own })),
    log: () => {},
  });
  const send = async (text: string): Promise<void> => {
    const request = JSON.parse(text) as Record<string, unknown>;
    const signal = SIGNALS.find(({ fields }) => request[fields.resources] !== undefined);
    if (signal === undefined) throw new Error('no records');
    await store.ingest(signal.read(request).batch, TRAIL);
  };
  for (const text of requests) await send(text);
  for (const ms of [12_000, 70_000, 70_000]) {
    now += ms;
    await store.tick();
    for (const text of built) await send(text);
  }
  expect(built).not.toEqual([]);
  return { dir, archived: [...requests, ...built] };
}

const REQUESTS = [...LOGS, ...SPANS].map(requestOf);

test('documents that were removed or changed are made from the facts, byte for byte', async () => {
  const { store, dir } = await settledTask();
  const before = filesIn(dir);
  rmSync(join(dir, '04-final-result.json'));
  rmSync(join(dir, 'manifest.json'));
  const metadata = join(dir, 'metadata.json');
  writeFileSync(metadata, readFileSync(metadata, 'utf8').replace('"completed"', '"failed","made_up":1'));
  const damaged = stored(store.dir);
  const check = await run(undefined, { dir: store.dir, check: true });
  expect(check.code).toBe(1);
  expect(check.stdout).toContain(
    'task-1/04-final-result.json\ntask-1/manifest.json\ntask-1/metadata.json\n3 file(s) would change',
  );
  expect(stored(store.dir)).toEqual(damaged);
  expect((await run('task-1', { dir: store.dir })).code).toBe(0);
  expect(filesIn(dir)).toEqual(before);
  expect((await run('task-1', { dir: store.dir, check: true })).code).toBe(0);
});

test('where facts were lost the documents stay', async () => {
  const { store, dir } = await settledTask();
  const before = readFileSync(join(dir, '04-final-result.json'), 'utf8');
  writeFileSync(join(dir, 'facts.jsonl'), '');
  expect((await run('task-1', { dir: store.dir })).code).toBe(0);
  expect(readFileSync(join(dir, '04-final-result.json'), 'utf8')).toBe(before);
});

/** The same records as a process appends them to its journal. */
function segmentOf(requests: readonly string[]): string {
  const lines = requests.map((text) => {
    const { resourceLogs, resourceSpans } = JSON.parse(text);
    const [{ resource, scopeLogs, scopeSpans }] = resourceLogs ?? resourceSpans;
    const [{ scope, logRecords, spans }] = scopeLogs ?? scopeSpans;
    const [record] = logRecords ?? spans;
    const kind = logRecords === undefined ? 'S' : 'L';
    return `C${JSON.stringify({ resource, scope })}\n${kind}${JSON.stringify(record)}\n`;
  });
  return `H{"version":1,"destinations":["holder"]}\n${lines.join('')}`;
}

test.for(['in another order', 'gzipped', 'twice', 'in a journal'])(
  'an empty directory and an archive of the records, %s, give the same bytes',
  async (how) => {
    const { dir, archived } = await original(REQUESTS);
    const archive = await tempDir();
    const lines = how === 'in another order' ? [...archived].reverse() : archived;
    const text = `${lines.join('\n')}\n`;
    mkdirSync(join(archive, 'raw'));
    const segment = `${'0'.repeat(26)}~host~1~0-0.closed`;
    if (how === 'in a journal') writeFileSync(join(archive, segment), segmentOf(archived));
    else if (how === 'gzipped') writeFileSync(join(archive, 'raw', 'logs_1.json.gz'), gzipSync(text));
    else writeFileSync(join(archive, 'raw', 'logs.json'), how === 'twice' ? text + text : text);
    const wiped = await tempDir();
    const { code, stdout } = await run(undefined, { dir: wiped, from: [archive] });
    expect(code).toBe(0);
    expect(stdout).toContain('record(s) read, 0 refused');
    expect(stored(wiped)).toEqual(stored(dir));
    // Nothing is stored twice.
    expect((await run(undefined, { dir: wiped, from: [archive], check: true })).code).toBe(0);
  },
);

test('a line of a journal that is damaged is named, and the others are read', async () => {
  const archive = await tempDir();
  const name = `${'0'.repeat(26)}~host~1~0-0.closed`;
  const [first = '', second = ''] = REQUESTS.map((request) =>
    segmentOf([request]).split('\n').slice(1).join('\n'),
  );
  const header = 'H{"version":1,"destinations":["holder"]}\n';
  writeFileSync(join(archive, name), `${header}${first}garbage\n${second}`);
  const { code, stdout } = await run(undefined, { dir: await tempDir(), from: [archive], json: true });
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ records: 2, problems: [expect.stringContaining(name)] });
});

test('a line of an archive that is damaged is named, and the others are read', async () => {
  const archive = join(await tempDir(), 'logs.json');
  writeFileSync(archive, `${REQUESTS[0]}\n{"half\n{"other":1}\n${REQUESTS[1]}\n`);
  const dir = await tempDir();
  const { code, stdout } = await run(undefined, { dir, from: [archive], json: true });
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    records: 2,
    problems: [`${archive}:2: not a line of JSON`, `${archive}:3: neither OTLP logs nor spans`],
  });
});

test('it is refused while a process holds the directory, also to look', async () => {
  const dir = await tempDir();
  const lock = await DirectoryLock.acquire(dir, () => {});
  try {
    for (const check of [true, false])
      await expect(run(undefined, { dir, check })).rejects.toMatchObject({
        code: 'ERR_DIRECTORY_HELD',
        message: `${dir} is held by process ${process.pid} on ${ownIdentity().host}: stop it first, and start it again afterwards`,
      });
  } finally {
    await lock.release();
  }
});

test('a task and an archive together, and a path without anything, are wrong', async () => {
  const { store } = await settledTask();
  const wrong = { code: 'ERR_INPUT_INVALID' };
  await expect(run('task-1', { dir: store.dir, from: ['x'] })).rejects.toMatchObject(wrong);
  await expect(run(undefined, { dir: store.dir, from: ['/does/not/exist'] })).rejects.toMatchObject(wrong);
  await expect(run('other', { dir: store.dir })).rejects.toMatchObject(wrong);
});
