import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { serveLogs } from '../../src/serve/logs.ts';
import type { Reader } from '../../src/serve/reader.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { until } from '../support/until.ts';
import { ask, listen, tempDir, writeBigFlow } from './log-server.ts';

const MEGABYTES = 50;
const PATH = '/tasks/task-1/logs/agent-output';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Memory in use after a garbage collection. An answer that is buffered in memory would show here. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function openFilesBelow(dir: string): number {
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir)) count += 1;
    } catch {
      // ENOENT: closed since it was listed.
    }
  }
  return count;
}

function get(port: number, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, agent: false }, resolve).on('error', reject).end();
  });
}

/** A reader that counts the lines that were asked for. */
function countLines(reader: Reader): { reader: Reader; count: () => number } {
  let lines = 0;
  return {
    count: () => lines,
    reader: {
      ...reader,
      openFlow: async (taskId, name) => {
        const flow = await reader.openFlow(taskId, name);
        if (flow === undefined) return undefined;
        return {
          skippedLines: flow.skippedLines,
          close: () => flow.close(),
          lines: async function* () {
            for await (const line of flow.lines()) {
              lines += 1;
              yield line;
            }
          },
        };
      },
    },
  };
}

test.each([PATH, '/tasks/task-1/logs/full'])(
  'memory stays flat while 50 MB stream from %s',
  { tags: 'full' },
  async (path) => {
    const dir = await tempDir();
    const expected = writeBigFlow(dir, 'task-1', MEGABYTES);
    const port = await listen(serveLogs({ reader: createReader(dir) }));
    const before = heldBytes();
    let most = 0;
    let bytes = 0;
    let next = 0;
    let separators = 0;
    for await (const chunk of (await get(port, path)) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (let at = chunk.indexOf(0x7b); at >= 0; at = chunk.indexOf(0x7b, at + 1)) separators += 1;
      if (bytes < next) continue;
      next += 5_000_000;
      most = Math.max(most, heldBytes());
    }
    expect(bytes).toBeGreaterThan(MEGABYTES * 1_000_000);
    expect(separators).toBe(expected + (path === PATH ? 0 : 2));
    expect(most - before).toBeLessThan(10_000_000);
    await until(() => openFilesBelow(dir) === 0, 'the file is closed');
  },
);

test('a client that does not read pauses the reading of the file, and gets all of it afterwards', {
  tags: 'full',
}, async () => {
  const dir = await tempDir();
  const expected = writeBigFlow(dir, 'task-1', MEGABYTES);
  const { reader, count } = countLines(createReader(dir));
  const app = serveLogs({ reader });
  let response: ServerResponse | undefined;
  const server = createServer((req, res) => {
    response = res;
    app(req, res);
  });
  const port = await listen(server);
  const res = await get(port, PATH);
  res.pause();
  // The kernel takes a few megabytes; then the answer waits, and so must the file.
  let turnsWithoutALine = 0;
  let seen = 0;
  await until(() => {
    turnsWithoutALine = count() === seen ? turnsWithoutALine + 1 : 0;
    seen = count();
    return response?.writableNeedDrain === true && turnsWithoutALine > 50;
  }, 'the answer that waits for the client');
  expect(seen).toBeGreaterThan(0);
  expect(seen).toBeLessThan(expected / 2);
  expect(openFilesBelow(dir)).toBe(1);

  let text = '';
  res.setEncoding('utf8');
  for await (const piece of res as AsyncIterable<string>) text += piece;
  expect(JSON.parse(text)).toHaveLength(expected);
  await until(() => openFilesBelow(dir) === 0, 'the file is closed');
});

test.each([PATH, '/tasks/task-1/logs/full'])(
  'a client that disconnects from %s closes the file',
  async (path) => {
    const dir = await tempDir();
    const expected = writeBigFlow(dir, 'task-1', MEGABYTES);
    const errors: unknown[] = [];
    const { reader, count } = countLines(createReader(dir));
    const port = await listen(serveLogs({ reader, onError: (error) => errors.push(error) }));
    const res = await get(port, path);
    res.once('data', () => {
      expect(openFilesBelow(dir)).toBe(1);
      res.destroy();
    });
    res.on('error', () => {});
    await until(() => res.destroyed, 'the connection is closed');
    await until(() => openFilesBelow(dir) === 0, 'the file is closed');
    expect(count()).toBeLessThan(expected);
    expect(errors).toEqual([]);
  },
);

test('a client that disconnects before the answer starts closes the file too', async () => {
  const dir = await tempDir();
  writeBigFlow(dir, 'task-1', MEGABYTES);
  const errors: unknown[] = [];
  const port = await listen(serveLogs({ reader: createReader(dir), onError: (error) => errors.push(error) }));
  const req = request({ host: '127.0.0.1', port, path: PATH, agent: false });
  req.on('error', () => {});
  req.end();
  await until(() => openFilesBelow(dir) === 1, 'the file is open');
  req.destroy();
  await until(() => openFilesBelow(dir) === 0, 'the file is closed');
  expect(errors).toEqual([]);
});

test('HEAD of a flow sends none of its lines and closes the file', async () => {
  const dir = await tempDir();
  writeBigFlow(dir, 'task-1', 1);
  const { reader, count } = countLines(createReader(dir));
  const port = await listen(serveLogs({ reader }));
  for (const path of [PATH, '/tasks/task-1/logs/full']) {
    const head = await ask(port, path, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    await until(() => openFilesBelow(dir) === 0, 'the file is closed');
  }
  expect(count()).toBe(0);
});
