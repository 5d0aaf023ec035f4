import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type JsonObject, objectOf, parseObject } from '../../src/model/json.ts';
import { startCollector } from '../end-to-end/collector.ts';
import { listen } from '../serve/log-server.ts';
import { afterTest } from '../support/current-test.ts';
import { tempDir } from '../support/log-dir.ts';
import { findTool, pathOf, type ToolName } from '../support/tool.ts';
import { until } from '../support/until.ts';

const FOLDER = resolve(import.meta.dirname, '../../collector');
const MAIN = join(FOLDER, 'config.yaml');
const overlay = (name: string): string => join(FOLDER, 'overlays', `${name}.yaml`);
const scale = (name: string): string => join(FOLDER, 'scale', `${name}.yaml`);

/** Those that need no other components than collector/config.yaml. */
const STOCK: readonly (readonly [string, readonly string[]])[] = [
  ['overlays/loki', [MAIN, overlay('loki')]],
  ['overlays/opensearch', [MAIN, overlay('opensearch')]],
  ['scale/agent', [scale('agent')]],
  ['scale/gateway', [MAIN, scale('gateway')]],
];

/** Those of the second build. */
const MORE: readonly (readonly [string, readonly string[]])[] = [
  ...['clickhouse', 'elasticsearch', 'kafka', 'cloudwatch', 'datadog'].map(
    (name) => [`overlays/${name}`, [MAIN, overlay(name)]] as const,
  ),
  ['scale/by-trace', [scale('agent'), scale('by-trace')]],
  ['scale/sampling', [MAIN, scale('gateway'), scale('sampling')]],
];

/** Ten minutes of CPU time to build: `npm run test:overlays` alone. */
const hasOverlays = process.env.TEST_OVERLAYS !== undefined;

/** No exporter asks the network where it is. */
const ENV = { AWS_EC2_METADATA_DISABLED: 'true', DD_API_KEY: '0123456789abcdef0123456789abcdef' };

function validate(tool: ToolName, files: readonly string[]): readonly [number | null, string] {
  const args = ['validate', ...files.flatMap((file) => ['--config', file])];
  const { status, stderr } = spawnSync(pathOf(findTool(tool)), args, {
    encoding: 'utf8',
    env: { ...process.env, ...ENV },
  });
  return [status, stderr];
}

/** The files with a name in the last one that no component knows. */
async function misspelt(files: readonly string[]): Promise<readonly string[]> {
  const last = files.at(-1) ?? '';
  const text = readFileSync(last, 'utf8');
  const path = join(await tempDir(), 'misspelt.yaml');
  const changed = text.replace(/^( +)(num_consumers|sizer|exporters|endpoint|decision_wait):/m, '$1x$2:');
  expect(changed).not.toBe(text);
  writeFileSync(path, changed);
  return [...files.slice(0, -1), path];
}

const BODY = { text: 'a fact', none: null, list: [1, { deep: 'x' }], ratio: 0.5 };

/** A line of output and a fact with a nested body, as tasktrail sends them; numbers that a double cannot hold. */
const REQUEST = JSON.stringify({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'tasktrail' } }] },
      scopeLogs: [
        {
          scope: { name: 'tasktrail' },
          logRecords: [
            record('01KDY000000000000000000001', 'tasktrail.agent.output', { stringValue: 'said "hello"\n' }),
            record('01KDY000000000000000000002', 'tasktrail.task.metadata', {
              kvlistValue: {
                values: [
                  { key: 'text', value: { stringValue: 'a fact' } },
                  { key: 'none', value: {} },
                  {
                    key: 'list',
                    value: {
                      arrayValue: {
                        values: [
                          { intValue: '1' },
                          { kvlistValue: { values: [{ key: 'deep', value: { stringValue: 'x' } }] } },
                        ],
                      },
                    },
                  },
                  { key: 'ratio', value: { doubleValue: 0.5 } },
                ],
              },
            }),
          ],
        },
      ],
    },
  ],
});

function record(id: string, eventName: string, body: object): object {
  return {
    ...{
      timeUnixNano: '1767323045123456789',
      severityNumber: 9,
      traceId: '0af7651916cd43dd8448eb211c80319c',
    },
    ...{ spanId: '00f067aa0ba902b7', eventName, body },
    attributes: [
      { key: 'tasktrail.task.id', value: { stringValue: 'task-1' } },
      { key: 'tasktrail.event.id', value: { stringValue: id } },
      { key: 'tasktrail.count', value: { intValue: '9007199254740993' } },
    ],
  };
}

interface Request {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** An HTTP server that keeps what it is sent, and refuses the first `failures` requests. */
async function recording(
  answer: (request: Request) => { readonly type?: string; readonly body: string },
  failures = 0,
): Promise<{ readonly url: string; readonly requests: Request[] }> {
  const requests: Request[] = [];
  let left = failures;
  const server = createServer(async (req, res) => {
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    const raw = Buffer.concat(pieces);
    const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    const request = { path: req.url ?? '', headers: req.headers, body };
    requests.push(request);
    left -= 1;
    if (left >= 0) return void res.writeHead(503).end();
    const { type = 'application/json', body: text } = answer(request);
    res.writeHead(200, { 'content-type': type, 'x-elastic-product': 'Elasticsearch' }).end(text);
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, requests };
}

/** Starts a collector with an overlay alone, and sends it the request. */
async function through(
  name: string,
  tool: 'collector' | 'overlays',
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const isBase = name === 'loki';
  const none = Object.fromEntries(
    ['logs/store', 'logs/large', 'logs/copies', ...(isBase ? [] : ['logs/loki']), 'traces'].map(
      (pipeline) => [`service::pipelines::${pipeline}::exporters`, '[nop]'],
    ),
  );
  const collector = await startCollector({
    ...{ tool, overlays: [overlay(name)], env: { ...ENV, ...env } },
    set: none,
  });
  afterTest(() => collector.server.stop());
  const sent = await fetch(`${collector.url}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: REQUEST,
  });
  expect(sent.status).toBe(200);
}

test('every overlay and every file of the scale tier is validated here', () => {
  const files = ['overlays', 'scale'].flatMap((folder) =>
    readdirSync(join(FOLDER, folder))
      .filter((name) => name.endsWith('.yaml') && name !== 'builder.yaml')
      .map((name) => `${folder}/${name.slice(0, -'.yaml'.length)}`),
  );
  expect([...STOCK, ...MORE].map(([name]) => name).sort()).toEqual(files.sort());
});

describe.skipIf('missing' in findTool('collector'))('with the collector of collector/builder.yaml', () => {
  test.each(STOCK)('%s is valid, and with a misspelt name it is not', async (_, files) => {
    expect(validate('collector', files)).toEqual([0, '']);
    const [status, message] = validate('collector', await misspelt(files));
    expect([status, message]).toEqual([1, expect.stringContaining('x')]);
  });

  test('Loki gets whole bodies as text, ids, and its tenant; what it refuses for now is sent again', async () => {
    const { url, requests } = await recording(() => ({ body: '{}' }), 2);
    await through('loki', 'collector', {
      LOKI_ENDPOINT: `${url}/otlp`,
      LOKI_TENANT: 'team-a',
      LOKI_AUTHORIZATION: 'Basic dTpw',
    });
    await until(() => requests.length >= 3, 'the third attempt', 30_000);
    const [first, , third] = requests;
    expect(third?.path).toBe('/otlp/v1/logs');
    expect(third?.headers).toMatchObject({ 'x-scope-orgid': 'team-a', authorization: 'Basic dTpw' });
    expect(third?.body).toEqual(first?.body);
    const text = third?.body.toString('latin1') ?? '';
    for (const kept of ['said "hello"\n', 'task-1', '01KDY000000000000000000002'])
      expect(text).toContain(kept);
    expect(text).toContain(JSON.stringify({ list: BODY.list, none: null, ratio: 0.5, text: 'a fact' }));
  });
});

describe.skipIf(!hasOverlays)('with the collector of collector/overlays/builder.yaml', () => {
  test.each([...STOCK, ...MORE])('%s is valid, and with a misspelt name it is not', async (_, files) => {
    expect(validate('overlays', files)).toEqual([0, '']);
    expect(validate('overlays', await misspelt(files))[0]).toBe(1);
  });

  test('Elasticsearch gets each record under its event id, so that a repeat is refused, with nested bodies and whole numbers', async () => {
    const { url, requests } = await recording(({ path }) => ({
      body: path.includes('_bulk')
        ? JSON.stringify({
            took: 1,
            errors: false,
            items: [{ create: { status: 201 } }, { create: { status: 201 } }],
          })
        : '{"version":{"number":"9.0.0"}}',
    }));
    await through('elasticsearch', 'overlays', { ELASTICSEARCH_ENDPOINT: url, ELASTICSEARCH_API_KEY: 'key' });
    await until(() => requests.some(({ path }) => path.includes('_bulk')), 'a bulk request', 30_000);
    const bulk = requests.find(({ path }) => path.includes('_bulk'));
    expect(bulk?.headers.authorization).toBe('APIKey key');
    const lines = (bulk?.body.toString() ?? '')
      .trim()
      .split('\n')
      .map((line) => objectOf(parseObject(line)));
    const [one, line, two, fact] = lines;
    expect([one, two].map((action) => objectOf(action?.create)._id)).toEqual([
      '01KDY000000000000000000001',
      '01KDY000000000000000000002',
    ]);
    expect(line).toMatchObject({ body: { text: 'said "hello"\n' }, event_name: 'tasktrail.agent.output' });
    expect(objectOf(fact?.body).structured).toEqual(BODY);
    expect(bulk?.body.toString()).toContain('"tasktrail.count":9007199254740993');
    expect(String(line?.['@timestamp'])).toBe('1767323045123.456789');
  });

  test('CloudWatch gets one JSON text for each record, with its name; one of another year does not stop those behind it', async () => {
    const { url, requests } = await recording(() => ({ type: 'application/x-amz-json-1.1', body: '{}' }));
    const nowMs = Date.now();
    await through('cloudwatch', 'overlays', {
      ...{ CLOUDWATCH_ENDPOINT: url, AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' },
      ...{ CLOUDWATCH_GROUP: 'team', CLOUDWATCH_STREAM: 'collector-1' },
    });
    const isPut = ({ headers }: Request): boolean => headers['x-amz-target'] === 'Logs_20140328.PutLogEvents';
    await until(() => requests.some(isPut), 'log events', 30_000);
    const put = objectOf(parseObject(requests.find(isPut)?.body.toString() ?? ''));
    expect(put).toMatchObject({ logGroupName: 'team', logStreamName: 'collector-1' });
    const events = put.logEvents as readonly JsonObject[];
    for (const { timestamp } of events) expect(Number(timestamp)).toBeGreaterThan(nowMs - 60_000);
    const [line, fact] = events.map(({ message }) => objectOf(parseObject(String(message))));
    expect(line).toMatchObject({
      body: 'said "hello"\n',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      attributes: {
        'tasktrail.event.id': '01KDY000000000000000000001',
        'event.name': 'tasktrail.agent.output',
        recorded_time_unix_nano: 1767323045123456800,
      },
    });
    expect(fact?.body).toEqual(BODY);
  });
});
