import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { countOomKills } from '../../src/agent/oom-kills.ts';
import { Workshop } from './agent-run.ts';

let shop: Workshop;

beforeEach(async () => {
  shop = await Workshop.open();
});

afterEach(() => shop.close());

const HOG = 'const held = []; for (;;) held.push(new Array(1e5).fill(held.length));';

test.skipIf(!existsSync('/proc/vmstat'))('the system counts its out-of-memory kills', () => {
  expect(countOomKills()).toBeGreaterThanOrEqual(0);
});

test('an agent whose heap is full ends as out of memory', async () => {
  const [node, path] = await shop.program(HOG);
  const { outcome } = await shop.run([node, '--max-old-space-size=40', path]);
  expect(outcome).toMatchObject({ success: false, errorType: 'out_of_memory' });
  expect(outcome.error).toContain('heap out of memory');
}, 60_000);

test('an agent whose allocation fails ends as out of memory', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const [node, path] = await shop.program('for (const held = []; ; ) held.push(Buffer.alloc(5e7, 1));');
  // Node reserves about two gigabytes of address space at its start.
  const { outcome } = await shop.run([
    'sh',
    '-c',
    'ulimit -v 2000000; exec "$0" --max-old-space-size=100 "$1"',
    node,
    path,
  ]);
  expect(outcome).toMatchObject({ success: false });
  expect([outcome.errorType, outcome.error]).toEqual([
    'out_of_memory',
    expect.stringMatching(/out of memory/i),
  ]);
});

test('a killed agent ends by the signal, also when it printed an out-of-memory message', async () => {
  const command = await shop.program(`
    process.stderr.write('FATAL ERROR: heap out of memory\\n');
    process.kill(process.pid, 'SIGKILL');`);
  const { outcome } = await shop.run(command);
  expect(outcome).toMatchObject({ success: false, errorType: 'signal', signal: 'SIGKILL' });
});
