import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeLongRun } from '../../bench/long-run.mjs';
import { isBrowserMissing, useBrowser } from '../../support/browser.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { DEADLINE, DEADLINE_MS } from '../../support/until.ts';

/** 200 MB. Each line is long, so that pages that are kept are seen in the memory. */
const [LINES, LINE_BYTES] = [100_000, 2_000];

/** Places that are looked at: with what is around them more than the page may keep. */
const PLACES = 150;

const HEAP_MB_MAX = 100;

describe.skipIf(isBrowserMissing)('a run of 200 MB in a browser', { timeout: 3 * DEADLINE_MS }, () => {
  const browser = useBrowser();
  let cwd = '';
  let service: ServiceProcess | undefined;

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tasktrail-long-run-'));
    const metadata = { status: 'completed' };
    writeLongRun(join(cwd, 'logs'), { id: 'task-long', lines: LINES, lineBytes: LINE_BYTES, metadata });
    service = await ServiceProcess.start({ cwd });
  }, 120_000);

  afterAll(async () => {
    await service?.stop();
    await rm(cwd, { recursive: true, force: true, maxRetries: 5 });
  });

  test('it opens, both ends are one key away, and what was looked at does not stay in memory', async () => {
    const { page } = await browser.tab({ viewport: { width: 1200, height: 800 } });
    await page.goto(`${service?.url}/tasks/task-long`);
    await page.locator('[data-line="0"]').waitFor();
    await page.keyboard.press('End');
    await page.locator(`[data-line="${LINES - 1}"]`).waitFor();
    await page.keyboard.press('Home');
    await page.locator('[data-line="0"]').waitFor();
    for (let place = 1; place <= PLACES; place += 1) {
      await page.evaluate(`scrollTo(0, document.documentElement.scrollHeight * ${place / PLACES})`);
      await page.locator('.page-place').first().waitFor({ state: 'detached' });
    }
    await page.locator(`[data-line="${LINES - 1}"]`).waitFor();
    expect(await page.locator('[data-line]').count()).toBeLessThan(1_500);
    expect(await heapMb(page)).toBeLessThan(HEAP_MB_MAX);
  });

  test('the search finds a line in its midst', async () => {
    const { page } = await browser.tab();
    await page.goto(`${service?.url}/tasks/task-long`);
    await page.locator('[data-line="0"]').waitFor();
    await page.keyboard.press('Control+f');
    await page.keyboard.type('line 27779 word');
    // While the search goes on behind it.
    await page.getByText(/^1 line/).waitFor({ timeout: DEADLINE_MS });
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.is-target').innerText(), DEADLINE).toContain('line 27779 word');
    expect(await heapMb(page)).toBeLessThan(HEAP_MB_MAX);
  });
});

/** Megabytes that the scripts of a page hold. */
async function heapMb(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  await session.detach();
  return (metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN) / 1_048_576;
}
