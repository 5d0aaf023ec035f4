import { spawnSync } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers, isBrowserMissing, overflowOf, useBrowser } from '../../support/browser.ts';
import { MAIN } from '../../support/built.ts';
import { findRedis, startRedis } from '../../support/redis.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs } from '../../support/victoria-logs.ts';
import { usePageService } from './page-service.ts';
import { type Recorded, VIEWS } from './recorded.mjs';

const redis = findRedis();
const victoriaLogs = findVictoriaLogs();

type View = (typeof VIEWS)[number];

const PARTS: readonly View[] = [
  { name: 'webhook', path: ({ delivered }: Recorded) => `/tasks/${delivered}?view=webhook`, ready: '.stage' },
  { name: 'files', path: ({ run }: Recorded) => `/tasks/${run}?view=files`, ready: '.files caption code' },
  {
    name: 'compare',
    path: ({ run, failed }: Recorded) => `/tasks/${run}?view=compare&with=${failed}`,
    ready: '.compare table',
  },
  { name: 'search', path: () => '/?q=status%3Afailed+memory', ready: '.task-row .status-failed' },
];

/** Their text is of the process, of its disk, or of a store. */
const OWN = new Set(['health', 'files']);

/** Times are of the moment. */
function steady(text: string): string {
  return text.replace(/\b\d+ (?:s|min) ago\b/g, 'just now').replace(/^live$/gm, '');
}

describe.skipIf(isBrowserMissing || 'missing' in redis || 'missing' in victoriaLogs)(
  'the page of a service over VictoriaLogs',
  () => {
    const browser = useBrowser();
    const files = usePageService();
    let rows: ServiceProcess;
    const closers: (() => Promise<unknown>)[] = [];

    beforeAll(async () => {
      const [store, queue] = await Promise.all([startVictoriaLogs(victoriaLogs), startRedis(redis)]);
      closers.push(
        () => store.stop(),
        () => queue.stop(),
      );
      // The service holds its directory. When it was copied, no task was running.
      const copy = join(files.cwd, 'copy');
      await settled(files.url, files.recorded);
      const isRecord = (name: string): boolean => !name.endsWith('_lock.json');
      await cp(join(files.cwd, 'logs'), copy, { recursive: true, filter: isRecord });
      const { status, stderr, stdout } = spawnSync(
        process.execPath,
        [MAIN, 'import', '--from', copy, '--to', store.address],
        { cwd: files.cwd, encoding: 'utf8', env: { PATH: process.env.PATH, HOME: files.cwd } },
      );
      if (status !== 0) throw new Error(stdout + stderr);
      rows = await ServiceProcess.start({
        cwd: files.cwd,
        args: ['serve'],
        env: { REDIS_URL: queue.url, TASK_LOGS_STORE_URL: store.address },
      });
      closers.push(() => rows.stop());
    }, 120_000);
    afterAll(async () => {
      for (const close of closers.reverse()) await close();
    });

    test.each([...VIEWS, ...PARTS])(
      'the view $name shows what it shows over files',
      async ({ name, path, ready }) => {
        const texts: string[] = [];
        for (const url of [files.url, rows.url]) {
          const { page } = await browser.tab();
          await page.goto(url + path(files.recorded));
          await page.waitForSelector(ready);
          const read = async (): Promise<string> => steady(await page.locator('main').innerText());
          // What the other one shows, once all of it has come.
          if (texts[0] !== undefined && !OWN.has(name)) await expect.poll(read).toBe(texts[0]);
          // Parts come one after the other.
          let text = await read();
          await until(async () => {
            await page.waitForTimeout(300);
            const before = text;
            text = await read();
            return before === text;
          }, 'the whole view');
          texts.push(text);
          expect(await page.evaluate('window.__ran')).toBeUndefined();
        }
        if (!OWN.has(name)) expect(texts[1]).toBe(texts[0]);
        expect(texts[0]?.length).toBeGreaterThan(20);
      },
    );

    test('Files and Health say what holds for VictoriaLogs', async () => {
      const { page } = await browser.tab({ bypassCSP: true });
      await page.goto(`${rows.url}/tasks/${files.recorded.run}?view=files`);
      await page.waitForSelector('.files caption code');
      expect(await page.locator('.files').innerText()).toMatch(/records in VictoriaLogs[\s\S]*trace\.jsonl/);
      expect(await page.locator('.files').innerText()).not.toContain('directory');
      await page.goto(`${rows.url}/health`);
      const part = page.locator('.health-part:has(h2:text-is("VictoriaLogs"))');
      await expect.poll(() => part.innerText()).toMatch(/Version\s+1\.\d[\s\S]*this service/);
      const text = await part.innerText();
      expect(text).toMatch(/Free\s+\d[\d.]* \wiB[\s\S]*Waiting in memory\s+0[\s\S]*Index/);
      expect(await page.locator('h2:text-is("Disk")').count()).toBe(0);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await findBarriers(page), colorScheme).toEqual([]);
      }
      await page.setViewportSize({ width: 390, height: 844 });
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    });

    test('the file of a run is the same', async () => {
      const { run, hostile } = files.recorded;
      for (const id of [run, hostile]) {
        const [one, other] = await Promise.all(
          [files.url, rows.url].map(async (url) => (await fetch(`${url}/tasks/${id}/export`)).text()),
        );
        const exported = (text = ''): string =>
          (text.split('<h2>Check</h2>')[0] ?? '').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then');
        expect(exported(other)).toBe(exported(one));
        expect(one).toContain('SHA-256 of <code>manifest.json</code>');
        expect(other).toContain('There is no manifest: this run was read from VictoriaLogs');
      }
    });
  },
);

/** Until every task has settled. */
async function settled(url: string, { run, failed, hostile, delivered }: Recorded): Promise<void> {
  for (const id of [run, failed, hostile, delivered])
    await until(async () => {
      const answer = (await (await fetch(`${url}/api/tasks/${id}`)).json()) as { readonly settled?: boolean };
      return answer.settled === true;
    }, `${id} to settle`);
}
