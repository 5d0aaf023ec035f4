import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { afterTest } from '../support/current-test.ts';
import { attribute, readLines, readSpans } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { traceOf } from './jaeger.ts';
import { RAW_BUCKET, Rig, type RigOptions } from './rig.ts';
import { telemetrygen } from './senders.ts';

/** Ends with the test. */
async function openRig(options?: RigOptions): Promise<Rig> {
  const rig = await Rig.open(options);
  afterTest(() => rig.close());
  return rig;
}

interface Said {
  readonly taskId: string;
  readonly body: string | object;
  readonly timeMs?: number;
  /** Text of an additional attribute. */
  readonly note?: string;
}

type AnyValue = Readonly<Record<string, unknown>>;

function anyValue(value: string | object): AnyValue {
  return typeof value === 'string' ? { stringValue: value } : { ...value };
}

/** Sends all records in one OTLP request and returns the status. */
async function send(url: string, records: readonly Said[]): Promise<number> {
  const logRecords = records.map(({ taskId, body, note, timeMs = Date.now() }, index) => ({
    timeUnixNano: String(BigInt(Math.trunc(timeMs)) * 1_000_000n + BigInt(index)),
    body: anyValue(body),
    attributes: [
      { key: 'tasktrail.task.id', value: { stringValue: taskId } },
      ...(note === undefined ? [] : [{ key: 'note', value: { stringValue: note } }]),
    ],
  }));
  return post(`${url}/v1/logs`, { resourceLogs: [{ resource: {}, scopeLogs: [{ scope: {}, logRecords }] }] });
}

async function post(url: string, request: object): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  await response.arrayBuffer();
  return response.status;
}

function linesOf(rig: Rig, taskId: string): Promise<Record<string, unknown>[]> {
  return readLines(join(rig.logDir('holder'), taskId, '03-agent-output.jsonl'));
}

async function linesWhenThere(rig: Rig, taskId: string, count: number): Promise<Record<string, unknown>[]> {
  return until(async () => {
    const lines = await linesOf(rig, taskId);
    return lines.length >= count ? lines : undefined;
  }, `${count} lines of ${taskId}`);
}

test.concurrent('a record of 20 MB is stored truncated, and other records of its request are stored whole', async () => {
  const rig = await openRig();
  await rig.holder();
  const large = 'x'.repeat(20_000_000);
  const bodies = ['before', large, 'after', ...Array.from({ length: 50 }, (_, n) => `then ${n}`)];
  expect(
    await send(
      rig.collector.url,
      bodies.map((body) => ({ taskId: 'task-large', body })),
    ),
  ).toBe(200);
  const lines = await linesWhenThere(rig, 'task-large', bodies.length);
  expect(lines).toHaveLength(bodies.length);
  const cut = lines.find(({ truncated }) => truncated === true);
  expect(cut).toMatchObject({ original_bytes: large.length });
  expect(lines.map(({ content }) => content)).toEqual(expect.arrayContaining(['before', 'after', 'then 49']));
}, 120_000);

const HUGE = 'y'.repeat(5_000_000);

test.concurrent.each<[string, Partial<Said>]>([
  ['an attribute of 5 MB', { note: HUGE }],
  ['an array of 5 MB', { body: { arrayValue: { values: [{ stringValue: HUGE }] } } }],
  ['bytes of 5 MB', { body: { bytesValue: Buffer.alloc(5_000_000).toString('base64') } }],
  [
    'a body and an attribute that only together exceed the limit',
    { body: HUGE.slice(0, 2_000_000), note: HUGE.slice(0, 2_300_000) },
  ],
  [
    'a text of 3 MB in three-byte characters',
    { body: '\u6f22'.repeat(1_048_560), note: HUGE.slice(0, 900_000) },
  ],
])(
  '%s does not affect other records of its request',
  async (_what, large) => {
    const rig = await openRig();
    await rig.holder();
    const good = (n: number): Said => ({ taskId: 'task-beside', body: `good ${n}` });
    const bad = { taskId: 'task-beside', body: 'large', ...large };
    expect(await send(rig.collector.url, [good(1), bad, good(2), good(3)])).toBe(200);
    const lines = await linesWhenThere(rig, 'task-beside', 4);
    expect(lines.filter(({ content }) => /^good \d$/.test(String(content)))).toHaveLength(3);
    expect(rig.collector.server.logs()).not.toContain('Failed to split');
  },
  120_000,
);

test.concurrent('a span with megabytes of attributes and events does not affect other spans of its request', async () => {
  const rig = await openRig();
  await rig.holder();
  const attributes = [{ key: 'tasktrail.task.id', value: { stringValue: 'task-spans' } }];
  const note = { key: 'note', value: { stringValue: HUGE } };
  const span = (n: number, more: object = {}): object => ({
    traceId: 'a'.repeat(32),
    spanId: `${n}`.repeat(16),
    name: `span ${n}`,
    kind: 1,
    startTimeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    endTimeUnixNano: String(BigInt(Date.now() + 1) * 1_000_000n),
    attributes,
    ...more,
  });
  const event = { timeUnixNano: String(BigInt(Date.now()) * 1_000_000n), name: 'large', attributes: [note] };
  const spans = [
    span(1),
    span(2, { attributes: [...attributes, note] }),
    span(3, { events: [event] }),
    span(4),
  ];
  await post(`${rig.collector.url}/v1/traces`, {
    resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans }] }],
  });
  const names = async (): Promise<readonly string[]> =>
    (await readSpans(rig.logDir('holder'), 'task-spans')).map(({ name }) => name).sort();
  await until(async () => (await names()).length >= 4, 'all spans');
  expect(await names()).toEqual(['span 1', 'span 2', 'span 3', 'span 4']);
}, 120_000);

test.concurrent.each(['../../evil', '/etc/passwd', '_lock.json', 'a/b', 'x\u0000y', '.'])(
  'the store rejects the task id %j and stores the following records',
  async (taskId) => {
    const rig = await openRig();
    await rig.holder();
    const status = await send(rig.collector.url, [
      { taskId, body: 'bad' },
      { taskId: 'task-good', body: 'good' },
    ]);
    expect(status).toBe(200);
    expect((await linesWhenThere(rig, 'task-good', 1)).map(({ content }) => content)).toEqual(['good']);
    const names = await readdir(rig.logDir('holder'));
    expect(names.filter((name) => !name.startsWith('_'))).toEqual(['task-good']);
  },
  120_000,
);

test.concurrent('records from clocks that differ by an hour keep their times and are all stored', async () => {
  const rig = await openRig();
  await rig.holder();
  const hour = 3_600_000;
  const times = [Date.now() - hour, Date.now(), Date.now() + hour];
  await send(
    rig.collector.url,
    times.map((timeMs, n) => ({ taskId: 'task-skewed', body: `at ${n}`, timeMs })),
  );
  const lines = await linesWhenThere(rig, 'task-skewed', 3);
  expect(lines.map(({ timestamp }) => Date.parse(String(timestamp)))).toEqual(times);
  expect(lines.map(({ content }) => content)).toEqual(['at 0', 'at 1', 'at 2']);
}, 120_000);

test.concurrent('a full queue refuses records, and the producer delivers them when there is room', async () => {
  // 300 kB instead of 4 GiB.
  const rig = await openRig({
    set: {
      'exporters::otlp_http/store::sending_queue::queue_size': '300000',
      'exporters::otlp_http/store::sending_queue::batch::min_size': '1000',
    },
  });
  const producer = await rig.producer();
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) ids.push(await producer.sendComment('@agent count'));
  const pending = async (): Promise<unknown> =>
    Reflect.get((await ready(producer.url)).reasons, `${rig.collector.url}/`);
  await until(async () => String(await pending()).includes('503'), 'the queue to be full', 120_000);
  await rig.holder();
  for (const id of ids) {
    expect(await rig.settled('holder', id, 150_000)).toMatchObject({ status: 'completed' });
    const numbers = (await linesOf(rig, id)).flatMap(
      ({ content }) => /line (\d+)/.exec(String(content))?.[1] ?? [],
    );
    expect(numbers.map(Number)).toEqual(Array.from({ length: 400 }, (_, n) => n));
  }
  expect((await ready(producer.url)).reasons).toEqual({});
}, 300_000);

test.concurrent('a missing bucket delays only the archive, which is complete after the bucket exists', async () => {
  const rig = await openRig({ s3: true, env: { S3_BUCKET: 'not-yet-there' } });
  await rig.holder();
  await send(rig.collector.url, [{ taskId: 'task-denied', body: 'kept for later' }]);
  await linesWhenThere(rig, 'task-denied', 1);
  await until(() => /NoSuchBucket/.test(rig.collector.server.logs()), 'the error of the bucket', 30_000);
  expect(await rig.s3?.objectsIn(RAW_BUCKET)).toEqual(new Map());
  await send(rig.collector.url, [{ taskId: 'task-denied', body: 'meanwhile' }]);
  expect(await linesWhenThere(rig, 'task-denied', 2)).toHaveLength(2);
  await rig.s3?.makeBucket('not-yet-there');
  const archived = async (): Promise<string> =>
    [...((await rig.s3?.objectsIn('not-yet-there')) ?? new Map()).values()].join('');
  for (const text of ['kept for later', 'meanwhile'])
    await until(async () => (await archived()).includes(text), `the archive to have "${text}"`, 120_000);
}, 180_000);

test.concurrent('the collector counts records as failed if the holder rejects them for a missing token', async () => {
  const rig = await openRig({ env: { TASK_LOGS_API_TOKEN: '' } });
  await rig.holder({ TASK_LOGS_API_TOKEN: 'the token of the holder' });
  await send(rig.collector.url, [{ taskId: 'task-refused', body: 'lost' }]);
  const failed = async (): Promise<string> =>
    (await fetch(`http://${rig.collector.ownMetrics}/metrics`)).text();
  const isCounted = /otelcol_exporter_send_failed_log_records\w*\{[^}]*otlp_http\/store[^}]*\} 1\b/;
  await until(async () => isCounted.test(await failed()), 'the record to be counted');
  expect(rig.collector.server.logs()).toContain('401');
}, 120_000);

test.concurrent('a collector that starts last receives all earlier records', async () => {
  const rig = await openRig();
  await rig.collector.server.kill();
  await rig.holder();
  const producer = await rig.producer();
  const id = await producer.sendComment('@agent review this');
  await until(
    async () =>
      Reflect.get((await ready(producer.url)).reasons, `${rig.collector.url}/`) === undefined
        ? undefined
        : true,
    'the producer to report that its endpoint is down',
  );
  await rig.collector.server.start();
  expect(await rig.settled('holder', id)).toMatchObject({ status: 'completed' });
}, 180_000);

test.concurrent('Jaeger as endpoint receives traces, /readyz notes that it accepts no logs and metrics, and the files are complete', async () => {
  const rig = await openRig({ jaeger: true });
  const service = await rig.start('alone', 'start', {
    OTEL_EXPORTER_OTLP_ENDPOINT: rig.jaeger?.otlpUrl ?? '',
  });
  const id = await service.sendComment('@agent review this');
  await rig.settled('alone', id);
  const spans = await readSpans(rig.logDir('alone'), id);
  const found = await until(async () => {
    const trace = await traceOf(rig.jaeger?.url ?? '', spans[0]?.traceId ?? '');
    return trace.length >= spans.length ? trace : undefined;
  }, 'the trace');
  expect(found).toHaveLength(spans.length);
  expect(attribute(spans[0] ?? fail(), 'tasktrail.task.id')).toBe(id);
  const { reasons, notices } = await ready(service.url);
  expect(reasons).toEqual({});
  const said = Object.values(notices).join('\n');
  expect(said).toContain('takes no logs');
  const noticed = async (): Promise<string> => Object.values((await ready(service.url)).notices).join('\n');
  await until(async () => (await noticed()).includes('takes no metrics'), 'the notice');
}, 180_000);

test.concurrent.each([
  ['https for a plain HTTP server', (url: string) => url.replace('http:', 'https:')],
  ['a closed port', () => 'http://127.0.0.1:9'],
])(
  'a wrong endpoint (%s) is reported in /readyz and does not affect the task',
  async (_which, wrong) => {
    const rig = await openRig();
    const endpoint = wrong(rig.collector.url);
    const service = await rig.start('alone', 'start', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    const id = await service.sendComment('@agent review this');
    expect(await rig.settled('alone', id)).toMatchObject({ status: 'completed' });
    const { reasons } = await ready(service.url);
    expect(Object.keys(reasons)).toEqual([`${endpoint}/`]);
  },
  120_000,
);

test.concurrent('spans of a stock client with a malformed task id do not block the records of other tasks', async () => {
  const rig = await openRig();
  await rig.holder();
  const common = ['--otlp-endpoint', rig.collector.grpc, '--otlp-insecure', '--workers', '1', '--rate', '0'];
  await telemetrygen([
    'traces',
    ...common,
    '--traces',
    '5',
    '--otlp-attributes',
    'tasktrail.task.id="../up"',
  ]);
  await telemetrygen([
    'logs',
    ...common,
    '--logs',
    '5',
    '--otlp-attributes',
    'tasktrail.task.id="task-fine"',
  ]);
  expect(await linesWhenThere(rig, 'task-fine', 5)).toHaveLength(5);
}, 120_000);

async function ready(
  url: string,
): Promise<{ reasons: Record<string, string>; notices: Record<string, string> }> {
  return (await (await fetch(`${url}/readyz`)).json()) as {
    reasons: Record<string, string>;
    notices: Record<string, string>;
  };
}

function fail(): never {
  throw new Error('there is no span');
}
