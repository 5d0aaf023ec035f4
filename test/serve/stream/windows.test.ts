import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { serveLogs } from '../../../src/serve/logs.ts';
import { compressTask } from '../../../src/store/compress.ts';
import { INDEXED_BYTES, refreshOffsets } from '../../../src/store/places/offsets-file.ts';
import { createReader } from '../../../src/store/read/reader.ts';
import { ask, type Got, listen, tempDir, writeTask } from '../log-server.ts';

const FLOW = '/tasks/task-1/logs/agent-output';
const FILE = '03-agent-output.jsonl';

const line = (n: number, more: object = {}): string =>
  `${JSON.stringify({ timestamp: '2026-01-02T03:04:05.000Z', type: 'output', content: `line ${n}`, event_id: `id-${n}`, ...more })}\n`;

const lines = (from: number, to: number): string => {
  let text = '';
  for (let n = from; n < to; n += 1) text += line(n);
  return text;
};

interface Served {
  readonly dir: string;
  readonly path: string;
  get(query: string): Promise<Got>;
  ids(query: string): Promise<readonly string[]>;
}

async function serve(agentOutput: string): Promise<Served> {
  const logDir = await tempDir();
  const dir = writeTask(logDir, 'task-1', { metadata: { task_id: 'task-1' }, agentOutput });
  const port = await listen(serveLogs({ reader: createReader(logDir) }));
  const get = (query: string): Promise<Got> => ask(port, `${FLOW}${query}`);
  const ids = async (query: string): Promise<readonly string[]> => idsOf(await get(query));
  return { dir, path: join(dir, FILE), get, ids };
}

/** A server of its own over the same files. */
async function again(dir: string): Promise<Pick<Served, 'get'>> {
  const port = await listen(serveLogs({ reader: createReader(join(dir, '..')) }));
  return { get: (query) => ask(port, `${FLOW}${query}`) };
}

function idsOf(got: Got): readonly string[] {
  expect(got.status).toBe(200);
  return (JSON.parse(got.text) as { event_id: string }[]).map(({ event_id: id }) => id);
}

function linkOf(got: Got, rel: string): string | undefined {
  const link = new RegExp(`<[^>]*(\\?[^>]*)>; rel="${rel}"`).exec(String(got.headers.link ?? ''));
  return link?.[1];
}

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `id-${from + index}`);

test('after, before, tail and limit name windows of a flow', async () => {
  const { ids } = await serve(lines(0, 20));
  expect(await ids('?after=id-4&limit=3')).toEqual(names(5, 8));
  expect(await ids('?before=id-4&limit=3')).toEqual(names(1, 4));
  expect(await ids('?before=id-2')).toEqual(names(0, 2));
  expect(await ids('?tail=4')).toEqual(names(16, 20));
  expect(await ids('?limit=2')).toEqual(names(0, 2));
  expect(await ids('?after=id-19')).toEqual([]);
  expect(await ids('?before=id-0')).toEqual([]);
  expect(await ids('')).toEqual(names(0, 20));
});

test('Link leads through the whole flow, forwards and backwards', async () => {
  const { get } = await serve(lines(0, 1_000));
  for (const [start, rel] of [
    ['?limit=77', 'next'],
    ['?tail=77', 'prev'],
  ] as const) {
    const found: string[] = [];
    for (let query: string | undefined = start; query !== undefined; ) {
      const got = await get(query);
      if (rel === 'next') found.push(...idsOf(got));
      else found.unshift(...idsOf(got));
      query = linkOf(got, rel);
    }
    expect(found).toEqual(names(0, 1_000));
  }
});

test('the first window has no link back and the last one none forward', async () => {
  const { get } = await serve(lines(0, 10));
  const first = await get('?limit=4');
  expect([linkOf(first, 'next'), linkOf(first, 'prev')]).toEqual(['?after=id-3&limit=4', undefined]);
  const last = await get('?tail=4');
  expect([linkOf(last, 'next'), linkOf(last, 'prev')]).toEqual([undefined, '?before=id-6&limit=4']);
});

test('an id that the file does not have is gone, and wrong queries are refused', async () => {
  const { get } = await serve(lines(0, 3));
  const gone = await get('?after=id-99');
  expect([gone.status, gone.json().code]).toEqual([410, 'ERR_GONE']);
  for (const query of ['?after=', '?limit=0', '?limit=x', '?tail=10001', '?tail=1&limit=2', '?page=1'])
    expect((await get(query)).status, query).toBe(400);
  expect((await get(`?after=${'x'.repeat(201)}`)).status).toBe(400);
});

test('damaged lines are left out and counted for the window, and lines without an id can be passed', async () => {
  const text = `${line(0)}nonsense\n{"n":1}\n${line(2)}{"half":`;
  const { get } = await serve(text);
  const all = await get('?limit=9');
  expect(JSON.parse(all.text)).toHaveLength(3);
  expect(all.headers['task-logs-skipped-lines']).toBe('2');
  const two = await get('?limit=2');
  expect(linkOf(two, 'next')).toBe('?after=%402&limit=2');
  expect(idsOf(await get(linkOf(two, 'next') ?? ''))).toEqual(['id-2']);
});

test('a copy that a later line stands for is left out, wherever the window is', async () => {
  const copy = line(1, { sender: 'agent', content: 'copy' });
  const { get } = await serve(`${line(0)}${copy}${lines(2, 600)}${line(1)}`);
  expect(idsOf(await get('?limit=3'))).toEqual(['id-0', 'id-2']);
  expect(idsOf(await get('?tail=2'))).toEqual(['id-599', 'id-1']);
  expect(idsOf(await get('?before=id-3&limit=2'))).toEqual(['id-2']);
  expect(idsOf(await get('?after=id-1'))).toEqual([]);
});

test('lines that were appended since are in the next window', async () => {
  const { ids, path } = await serve(lines(0, 3));
  expect(await ids('?after=id-1')).toEqual(['id-2']);
  appendFileSync(path, lines(3, 5));
  expect(await ids('?after=id-1')).toEqual(names(2, 5));
});

test('a file that was put in another order is read as it is now', async () => {
  const { ids, path } = await serve(lines(0, 3));
  expect(await ids('?after=id-1')).toEqual(['id-2']);
  writeFileSync(`${path}.new`, line(2) + line(1) + line(0));
  renameSync(`${path}.new`, path);
  expect(await ids('?after=id-1')).toEqual(['id-0']);
});

const MANY = Math.ceil((3 * INDEXED_BYTES) / line(10_000).length);

test('gzipped by the store or by gzip, with its index, without one or with a damaged one, a file has the same windows', async () => {
  const text = lines(0, MANY);
  const damage: Readonly<Record<string, (path: string) => Promise<void>>> = {
    'no index': async () => {},
    'an index': async (path) => refreshOffsets(path),
    'a damaged index': async (path) => {
      await refreshOffsets(path);
      writeFileSync(`${path}.offsets`, 'tasktrail offsets 1\n{}\n');
    },
    'the index of another file': async (path) => {
      writeFileSync(path, lines(0, MANY).replace('id-7"', 'id-x"'));
      await refreshOffsets(path);
      rmSync(path);
      writeFileSync(path, text);
    },
    'gzipped by the store': async (path) => {
      await compressTask(join(path, '..'));
      await refreshOffsets(path);
    },
    'gzipped by the store, no index': async (path) => void (await compressTask(join(path, '..'))),
    'gzipped by gzip': async (path) => {
      writeFileSync(`${path}.gz`, gzipSync(text));
      rmSync(path);
    },
  };
  for (const [what, prepare] of Object.entries(damage)) {
    const { ids, path } = await serve(text);
    await prepare(path);
    const middle = Math.floor(MANY / 2);
    expect(await ids(`?after=id-${middle}&limit=3`), what).toEqual(names(middle + 1, middle + 4));
    expect(await ids(`?before=id-${middle}&limit=3`), what).toEqual(names(middle - 3, middle));
    expect(await ids('?tail=3'), what).toEqual(names(MANY - 3, MANY));
    expect(await ids('?limit=3'), what).toEqual(names(0, 3));
  }
});

test('a line over the limit is passed and counted', async () => {
  const long = `${JSON.stringify({ event_id: 'long', content: 'x'.repeat(17 * 1_048_576) })}\n`;
  const { get } = await serve(`${line(0)}${long}${line(1)}`);
  const got = await get('?tail=2');
  expect(idsOf(got)).toEqual(['id-0', 'id-1']);
  expect(got.headers['task-logs-skipped-lines']).toBe('1');
  expect(idsOf(await get('?after=id-0'))).toEqual(['id-1']);
});

test('a window ends after sixteen megabytes, and its link goes on', async () => {
  const big = (n: number): string => line(n, { more: 'x'.repeat(5 * 1_048_576) });
  const { get } = await serve(big(0) + big(1) + big(2) + big(3) + big(4));
  const first = await get('?limit=10');
  expect(idsOf(first)).toEqual(names(0, 3));
  expect(linkOf(first, 'next')).toBe('?after=id-2&limit=10');
  const last = await get('?tail=10');
  expect(idsOf(last)).toEqual(names(2, 5));
  expect(linkOf(last, 'prev')).toBe('?before=id-2&limit=10');
});

test('a last line without its newline can be passed, and damaged lines before a window are not counted for it', async () => {
  const { get, ids } = await serve(`${'nonsense\n'.repeat(5)}${lines(0, 20)}broken\n${line(20).trimEnd()}`);
  expect(await ids('?tail=2')).toEqual(names(19, 21));
  expect(await ids('?after=id-20')).toEqual([]);
  expect(await ids('?before=id-20&limit=1')).toEqual(names(19, 20));
  expect((await get('?tail=3')).headers['task-logs-skipped-lines']).toBe('1');
  expect((await get('?before=id-3')).headers['task-logs-skipped-lines']).toBe('5');
});

const twice = (n: number): string => line(n % 50);
const written: Readonly<Record<string, (n: number) => string>> = {
  'that come again': twice,
  'of one line each, but for two': (n) => line(n === 150 ? 20 : n),
  'with a blank before them': (n) => line(n).replace('"event_id":', '"event_id": '),
  'with escapes': (n) => line(n).replace(`"id-${n}"`, `"\\u0069d-${n}"`),
  'with quotes and backslashes': (n) => line(n, { event_id: `"${n}\\` }),
  'of more than 200 characters': (n) => line(n, { event_id: `${'x'.repeat(250)}${n}` }),
  'that look like the number of a line': (n) => line(n, { event_id: `@${(n * 7) % 200}` }),
  'of many bytes': (n) => line(n, { event_id: `${'中'.repeat(150)}${n}` }),
  'of other characters': (n) => line(n, { event_id: `é 中 🚀 %&#+ ${n}` }),
};

/** All lines by the links from one end to the other. */
async function walk(get: Served['get'], start: string, rel: 'next' | 'prev'): Promise<readonly string[]> {
  const found: string[] = [];
  let windows = 0;
  for (let query: string | undefined = start; query !== undefined; windows += 1) {
    const got = await get(query);
    expect([got.status, windows < 100]).toEqual([200, true]);
    const contents = (JSON.parse(got.text) as { content: string }[]).map(({ content }) => content);
    if (rel === 'next') found.push(...contents);
    else found.unshift(...contents);
    query = linkOf(got, rel);
  }
  return found;
}

test.each(Object.keys(written))('ids %s: links lead through the whole flow, both ways', async (kind) => {
  const texts = Array.from({ length: 200 }, (_, n) => (written[kind] ?? twice)(n));
  const contents = texts.map((text) => (JSON.parse(text) as { content: string }).content);
  const { get } = await serve(texts.join(''));
  expect(await walk(get, '?limit=7', 'next')).toEqual(contents);
  expect(await walk(get, '?tail=7', 'prev')).toEqual(contents);
});

test.each(['that come again', 'with quotes and backslashes', 'of many bytes'])(
  'ids %s, in a large file without an index: links lead on',
  { tags: 'full' },
  async (kind) => {
    const content = 'x'.repeat(100_000);
    const texts = Array.from({ length: 200 }, (_, n) =>
      (written[kind] ?? twice)(n).replace('"content":"', `"content":"${n} ${content}`),
    );
    const { dir } = await serve(texts.join(''));
    const numbers = texts.map((_, n) => String(n));
    const ends = [
      ['?limit=7', 'next'],
      ['?tail=7', 'prev'],
    ] as const;
    for (const [start, rel] of ends) {
      const walked = await walk(async (query) => (await again(dir)).get(query), start, rel);
      expect(walked.map((text) => text.split(' ', 1)[0])).toEqual(numbers);
    }
  },
);

test('a large file without an index has the windows that it has with one', { tags: 'full' }, async () => {
  // More than is indexed before an answer.
  const content = 'x'.repeat(1_900);
  const stored = (n: number): string => {
    if (n % 1_000 === 7) return 'nonsense\n';
    if (n === 4_500) return line(n, { payload: { event_id: 'id-20' }, content });
    if (n === 8_000) return `${JSON.stringify({ content })}\n`;
    if (n === 8_100) return line(n, { sender: 'agent', content });
    // Again, and the later one stands for it.
    return line(n === 9_000 ? 300 : n, { content });
  };
  const text = Array.from({ length: 9_500 }, (_, n) => stored(n)).join('') + line(9_500).trimEnd();
  const queries = [
    ...['?tail=3', '?tail=500', '?tail=2000', '?limit=3', '?limit=1000', '?limit=8050'],
    ...['after', 'before'].flatMap((name) =>
      [
        '0',
        '6',
        '8',
        '20',
        '300',
        '4500',
        '5123',
        '7999',
        '8001',
        '8099',
        '8101',
        '9499',
        '9500',
        '99999',
      ].map((id) => `?${name}=id-${id}&limit=20`),
    ),
    '?before=id-5000&limit=1000',
    '?before=id-1500&limit=5000',
    '?after=%40600&limit=5',
  ];
  for (const prepare of [
    async (_path: string): Promise<void> => {},
    async (path: string): Promise<void> => void (await compressTask(join(path, '..'))),
  ]) {
    const indexed = await serve(text);
    await prepare(indexed.path);
    await refreshOffsets(indexed.path);
    const bare = await serve(text);
    await prepare(bare.path);
    for (const query of queries) {
      // A reader that has not seen the file.
      const { get } = await again(bare.dir);
      const [got, expected] = [await get(query), await indexed.get(query)];
      expect(got.text, query).toBe(expected.text);
      // The first window does not know whether a later line has the same id.
      if (!query.startsWith('?limit')) expect(got.headers.link, query).toBe(expected.headers.link);
      const [next, expectedNext] = [linkOf(got, 'next'), linkOf(expected, 'next')];
      if (next !== expectedNext)
        expect((await get(next ?? '')).text, query).toBe((await indexed.get(expectedNext ?? '')).text);
      const skipped = 'task-logs-skipped-lines';
      expect(got.headers[skipped], query).toBe(expected.headers[skipped]);
    }
  }
});

const placeOf = ({ headers }: Got): readonly unknown[] => [
  headers['task-logs-first-line'],
  headers['task-logs-lines'],
];

test('a window says where it begins and how many lines the file has, damaged ones included', async () => {
  const { get, path } = await serve(`${lines(0, 5)}nonsense\n\n${lines(5, 10)}`);
  expect(placeOf(await get('?limit=2'))).toEqual(['0', '12']);
  expect(placeOf(await get('?after=@6&limit=2'))).toEqual(['7', '12']);
  expect(placeOf(await get('?tail=3'))).toEqual(['9', '12']);
  expect(placeOf(await get('?after=id-9'))).toEqual(['12', '12']);
  expect(placeOf(await get(''))).toEqual([undefined, undefined]);
  appendFileSync(path, lines(10, 12));
  expect(placeOf(await get('?tail=1'))).toEqual(['13', '14']);
});

test('a window says which lines it leaves out: damaged ones, blank ones and copies, so that each other line has its number', async () => {
  const copy = line(2, { sender: 'agent', content: 'copy' });
  const { get } = await serve(`${lines(0, 2)}nonsense\n\n${copy}${lines(3, 5)}${line(2)}nonsense\n`);
  const leftOut = async (query: string): Promise<unknown> => (await get(query)).headers['task-logs-left-out'];
  expect(await leftOut('?limit=9')).toBe('2-4,8');
  expect(await leftOut('?limit=2')).toBeUndefined();
  expect(await leftOut('?tail=3')).toBe('8');
  expect(await leftOut('?after=@2&limit=1')).toBe('3-4');
  const damaged = Array.from({ length: 300 }, (_, n) => `${line(n)}nonsense\n`).join('');
  const many = await serve(damaged);
  const header = String((await many.get('?limit=100')).headers['task-logs-left-out']);
  expect(header.split(',')).toHaveLength(99);
  expect((await many.get('?limit=300')).headers['task-logs-left-out']).toBeUndefined();
});

test('after and before together name the lines between them, and Link leads through those only', async () => {
  const { get, ids } = await serve(`${lines(0, 5)}nonsense\n${lines(5, 30)}`);
  expect(await ids('?after=@3&before=@8')).toEqual(names(4, 7));
  expect(await ids('?after=id-3&before=id-4')).toEqual([]);
  expect(await ids('?after=id-9&before=id-4')).toEqual([]);
  const found: string[] = [];
  for (let query: string | undefined = '?after=@0&before=@20&limit=4'; query !== undefined; ) {
    const got = await get(query);
    expect(linkOf(got, 'prev')).toBeUndefined();
    found.push(...idsOf(got));
    query = linkOf(got, 'next');
  }
  expect(found).toEqual(names(1, 19));
  expect((await get('?after=@3&before=@99')).status).toBe(410);
  for (const bad of ['?tail=3&before=id-4', '?tail=3&after=id-4']) expect((await get(bad)).status).toBe(400);
});
