import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { builtUrl } from '../support/built.ts';
import { ask, listen, tempDir } from './log-server.ts';

interface Item {
  readonly n: number;
  readonly event_type: string;
}

interface Page {
  readonly items: readonly Item[];
  readonly next_cursor: string;
}

/** Asks for one page after the other. */
class Consumer {
  readonly seen: number[] = [];
  readonly #type: string;
  #port: number;
  #cursor: string | undefined;

  constructor(port: number, type?: string) {
    this.#port = port;
    this.#type = type === undefined ? '' : `&type=${type}`;
  }

  /** Continues with another server over the same files. */
  moveTo(port: number): void {
    this.#port = port;
  }

  /** One page; true when the cursor moved. */
  async poll(limit: number): Promise<boolean> {
    const after = this.#cursor === undefined ? '' : `&after=${encodeURIComponent(this.#cursor)}`;
    const got = await ask(this.#port, `/events?limit=${limit}${this.#type}${after}`);
    expect(got.status, got.text).toBe(200);
    const page = JSON.parse(got.text) as Page;
    expect(page.items.length).toBeLessThanOrEqual(limit);
    const isMoved = page.next_cursor !== this.#cursor;
    this.seen.push(...page.items.map((item) => item.n));
    this.#cursor = page.next_cursor;
    return isMoved;
  }
}

function eventLine(n: number): string {
  return JSON.stringify({
    event_type: n % 7 === 0 ? 'error' : 'step_start',
    event_id: `E${String(n).padStart(9, '0')}`,
    timestamp: '2026-11-21T10:00:00.000Z',
    n,
    text: 'x'.repeat((n * 37) % 900),
  });
}

/**
 * The store's own feed in a process of its own: appends without end, a new day each 700 events, going on behind the last
 * whole line that is there.
 */
function startWriter(workflowDir: string): ChildProcess {
  const feedUrl = builtUrl('store/write/feed.ts');
  const script = `
    import { Feed } from ${JSON.stringify(feedUrl)};
    import { existsSync, readdirSync, readFileSync } from 'node:fs';
    const dir = ${JSON.stringify(join(workflowDir, '_feed'))};
    const eventLine = ${eventLine.toString()};
    let n = 0;
    for (const name of existsSync(dir) ? readdirSync(dir) : []) {
      const lines = readFileSync(dir + '/' + name, 'utf8').split('\\n').slice(0, -1);
      for (const line of lines) n = Math.max(n, JSON.parse(line).n + 1);
    }
    const feed = new Feed(${JSON.stringify(workflowDir)}, () => Date.UTC(2026, 0, 1) + Math.floor(n / 700) * 86_400_000);
    while (n < 60_000) {
      const batch = [];
      for (const end = n + 1 + (n % 13); n < end; n += 1) {
        const text = eventLine(n);
        const { event_id: id, timestamp } = JSON.parse(text);
        batch.push({ id, timestamp, text });
      }
      n -= batch.length;
      await feed.append(batch);
      n += batch.length;
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** The whole lines of the feed, as the files hold them. */
function storedNumbers(workflowDir: string): number[] {
  const dir = join(workflowDir, '_feed');
  return readdirSync(dir)
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1))
    .map((line) => (JSON.parse(line) as Item).n);
}

function appendToNewest(workflowDir: string, text: string): void {
  const dir = join(workflowDir, '_feed');
  appendFileSync(join(dir, readdirSync(dir).sort().at(-1) ?? ''), text);
}

test('a consumer that polls while a writer appends and is killed sees every event once and in order', {
  tags: 'full',
  timeout: 360_000,
}, async () => {
  const logDir = await tempDir();
  const workflowDir = join(logDir, '_workflow');
  mkdirSync(workflowDir);
  const serve = (): Promise<number> => listen(serveLogs({ reader: createReader(logDir) }));
  const all = new Consumer(await serve());
  const errors = new Consumer(await serve(), 'error');
  // A kill may leave nothing, half a line, or a line without its newline.
  const torn = [0, 20, -1, 20, -1, 0];
  for (const [round, length] of torn.entries()) {
    const writer = startWriter(workflowDir);
    const goal = (round + 1) * 1500;
    const deadline = Date.now() + 60_000;
    while (all.seen.length < goal) {
      if (Date.now() > deadline) throw new Error(`not within 60 s: ${goal} events seen`);
      await all.poll(1 + ((all.seen.length * 31) % 90));
      await errors.poll(1 + (round % 3) * 10);
    }
    expect(writer.exitCode, 'the writer is still at it').toBeNull();
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const tail = eventLine(storedNumbers(workflowDir).length);
    if (length !== 0) appendToNewest(workflowDir, length < 0 ? tail : tail.slice(0, length));
    await all.poll(1000);
    all.moveTo(await serve());
  }
  while (await all.poll(1000));
  while (await errors.poll(1000));
  const stored = storedNumbers(workflowDir);
  const expected = stored.map((_, n) => n);
  expect(stored.length).toBeGreaterThan(9000);
  expect(readdirSync(join(workflowDir, '_feed')).length).toBeGreaterThan(10);
  expect(stored).toEqual(expected);
  expect(all.seen).toEqual(expected);
  expect(errors.seen).toEqual(expected.filter((n) => n % 7 === 0));
});

async function serveFeed(): Promise<{ port: number; dir: string }> {
  const logDir = await tempDir();
  const dir = join(logDir, '_workflow', '_feed');
  mkdirSync(dir, { recursive: true });
  return { port: await listen(serveLogs({ reader: createReader(logDir) })), dir };
}

test('the answer has the stored events, and always a cursor', async () => {
  const { port, dir } = await serveFeed();
  const empty = (await ask(port, '/events')).json();
  expect(empty).toEqual({ items: [], next_cursor: expect.stringMatching(/^[\w-]+$/) });
  rmSync(dir, { recursive: true });
  expect((await ask(port, `/events?after=${empty.next_cursor}`)).json()).toEqual(empty);
  mkdirSync(dir);
  appendFileSync(join(dir, '2026-11-21.jsonl'), `${eventLine(0)}\n${eventLine(1)}\n`);
  const page = await ask(port, `/events?after=${empty.next_cursor}`);
  expect(page.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(page.json().items).toEqual([JSON.parse(eventLine(0)), JSON.parse(eventLine(1))]);
  expect((await ask(port, '/events?type=error')).json().items).toEqual([JSON.parse(eventLine(0))]);
  const end = page.json().next_cursor;
  expect((await ask(port, `/events?after=${end}`)).json()).toEqual({ items: [], next_cursor: end });
});

test('a page holds 100 events when no limit is given', async () => {
  const { port, dir } = await serveFeed();
  const lines = Array.from({ length: 150 }, (_, n) => `${eventLine(n)}\n`);
  appendFileSync(join(dir, '2026-11-21.jsonl'), lines.join(''));
  expect((await ask(port, '/events')).json().items).toHaveLength(100);
  expect((await ask(port, '/events?limit=1000')).json().items).toHaveLength(150);
});

test('a cursor whose events are no longer kept is answered with 410 and what to do', async () => {
  const { port, dir } = await serveFeed();
  appendFileSync(join(dir, '2026-11-20.jsonl'), `${eventLine(0)}\n`);
  const { next_cursor: after } = (await ask(port, '/events')).json();
  appendFileSync(join(dir, '2026-11-21.jsonl'), `${eventLine(1)}\n`);
  unlinkSync(join(dir, '2026-11-20.jsonl'));
  const gone = await ask(port, `/events?after=${after}`);
  expect(gone.headers['content-type']).toBe('application/problem+json');
  expect(gone.json()).toMatchObject({
    status: 410,
    code: 'ERR_GONE',
    detail: expect.stringContaining('start again without "after"'),
  });
});

test.each([
  ['limit=0', 'limit'],
  ['limit=1001', 'limit'],
  ['limit=x', 'limit'],
  ['type=step_begin', 'type'],
  ['type=', 'type'],
  ['after=', 'after'],
  ['after=abc', 'after'],
  ['cursor=abc', 'cursor'],
  ['wait=5', 'wait'],
])('the query %s is refused by name', async (query, named) => {
  const { port } = await serveFeed();
  const got = await ask(port, `/events?${query}`);
  expect(got.json()).toMatchObject({
    status: 400,
    code: 'ERR_INPUT_INVALID',
    detail: expect.stringContaining(named),
  });
});
