import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { EVENT } from '../../src/model/events.ts';
import { startTasktrail, type Trail } from '../../src/trail/trail.ts';
import { FloodGauge } from '../../src/webhooks/flood-gauge.ts';
import { installMemory } from '../support/memory-recorder.ts';
import { openReceiver, readDeliveries } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { ALL_OPTIONS, post, say, VENDOR, VENDORS } from '../support/vendors.ts';

let logDir: string;
let trail: Trail;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-flood-'));
  const config = loadConfig({
    env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0', PORT: '0' },
    cwd: logDir,
  });
  trail = await startTasktrail({ config, log: () => {} });
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

async function bytesBelow(dir: string): Promise<number> {
  const names = await readdir(dir, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(dir, name)).catch(() => undefined);
      return found?.isFile() ? found.size : 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

test('10,000 unsigned requests are refused and counted, and leave less than 2 MB', {
  tags: 'full',
  timeout: 180_000,
}, async () => {
  const receiver = await openReceiver(ALL_OPTIONS);
  let mostBytes = 0;
  for (let sent = 0; sent < 10_000; sent += 100) {
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const vendor = VENDORS[n % VENDORS.length] ?? VENDOR.github;
        const headers = { ...vendor.sign('x', 'wrong'), 'x-github-delivery': 'd'.repeat(2_000) };
        const response = await post(receiver.url, vendor.name, {
          headers,
          body: JSON.stringify({ filler: 'y'.repeat(2_000) }),
        });
        await response.arrayBuffer();
        return response.status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([401]));
    mostBytes = Math.max(mostBytes, await bytesBelow(logDir));
  }
  // A valid delivery is still recorded, and the counts beside it.
  expect((await say(receiver.url, VENDOR.github, '@agent review')).status).toBe(202);
  await receiver.close();
  const lines = await until(async () => {
    const found = (await readDeliveries(logDir)).filter(({ outcome }) => outcome === 'rejected');
    const stoodFor = found.reduce((sum, { count = 1 }) => sum + Number(count), 0);
    return stoodFor === 10_000 ? found : undefined;
  }, 'lines that stand for 10,000');
  expect(lines.length).toBeLessThan(500);
  const floods = lines.filter(({ reason }) => reason === 'flood');
  expect(new Set(floods.map(({ provider }) => provider))).toEqual(new Set(VENDORS.map(({ name }) => name)));
  for (const flood of floods) {
    expect(flood).toMatchObject({ stages: [], task_ids: [], delivery_id: null });
    expect(Object.values(flood.reasons as Record<string, number>).reduce((a, b) => a + b, 0)).toBe(
      flood.count,
    );
  }
  expect(Math.max(mostBytes, await bytesBelow(logDir))).toBeLessThan(2_000_000);
});

/** A gauge with its own clock and a used-up budget. */
function spentGauge(): { gauge: FloodGauge; advance: (ms: number) => void; admitted: number } {
  let now = 0;
  const gauge = new FloodGauge(() => now);
  let admitted = 0;
  while (gauge.admit('github', 'wrong_signature')) admitted += 1;
  return {
    gauge,
    admitted,
    advance: (ms) => {
      now += ms;
    },
  };
}

test('the budget is refilled one by one over time', () => {
  installMemory();
  const { gauge, advance, admitted } = spentGauge();
  expect(admitted).toBe(400);
  advance(14_999);
  expect(gauge.admit('github', 'x')).toBe(false);
  advance(1);
  expect(gauge.admit('github', 'x')).toBe(true);
  expect(gauge.admit('github', 'x')).toBe(false);
  advance(30 * 24 * 3_600_000);
  let again = 0;
  while (gauge.admit('github', 'x')) again += 1;
  expect(again).toBe(admitted);
});

test('counts are recorded once, by provider and reason', () => {
  const memory = installMemory();
  const { gauge } = spentGauge();
  gauge.admit('github', 'too_large');
  gauge.admit('jira', 'wrong_signature');
  gauge.sum();
  gauge.sum();
  expect(memory.bodies(EVENT.delivery)).toMatchObject([
    { outcome: 'rejected', reason: 'flood', count: 2, reasons: { wrong_signature: 1, too_large: 1 } },
    { outcome: 'rejected', reason: 'flood', count: 1, reasons: { wrong_signature: 1 } },
  ]);
  expect(memory.facts.map(({ attributes }) => attributes['tasktrail.webhook.provider'])).toEqual([
    'github',
    'jira',
  ]);
});

test('valid deliveries during a flood do not cause many summaries', () => {
  const memory = installMemory();
  const { gauge, advance } = spentGauge();
  for (let n = 0; n < 1_000; n += 1) {
    gauge.admit('github', 'wrong_signature');
    gauge.noteRecorded();
    advance(10);
  }
  expect(memory.facts).toHaveLength(1);
});
