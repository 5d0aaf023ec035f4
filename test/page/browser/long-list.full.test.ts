import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeTasks } from '../../bench/indexed-tasks.mjs';
import { isBrowserMissing, useBrowser } from '../../support/browser.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { DEADLINE_MS, until } from '../../support/until.ts';

const TASKS = 3_000;
const ROW = '.task-rows .task-row';

describe.skipIf(isBrowserMissing)('some thousand tasks in a browser', { timeout: 3 * DEADLINE_MS }, () => {
  const browser = useBrowser();
  let cwd = '';
  let service: ServiceProcess | undefined;

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tasktrail-long-list-'));
    mkdirSync(join(cwd, 'logs'));
    writeTasks(join(cwd, 'logs'), TASKS, { isShort: true });
    service = await ServiceProcess.start({ cwd });
  }, 120_000);

  afterAll(async () => {
    await service?.stop();
    await rm(cwd, { recursive: true, force: true, maxRetries: 5 });
  });

  test('it scrolls to its end, and only the rows that are seen are in the page', async () => {
    const { page } = await browser.tab();
    // The counts of the filters come behind the list.
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.goto(String(service?.url));
    await page.locator(`${ROW} a[href="/tasks/task-${String(TASKS - 1).padStart(8, '0')}"]`).waitFor();
    await page.locator('.facet').first().waitFor();
    expect(asked.indexOf('/api/stats')).toBeGreaterThan(asked.indexOf('/api/tasks'));
    const last = page.locator(`${ROW} a[href="/tasks/task-00000000"]`);
    let most = 0;
    // Page after page of the list is loaded on the way.
    await until(
      async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
        most = Math.max(most, await page.locator(ROW).count());
        return (await last.count()) === 1;
      },
      'the last task',
      2 * DEADLINE_MS,
    );
    expect(most).toBeLessThan(100);
    expect(await page.locator('.task-table').getAttribute('aria-rowcount')).toBe(String(TASKS + 1));
  });
});
