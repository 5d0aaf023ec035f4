import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findBarriers, isBrowserMissing, overflowOf, useBrowser } from '../../support/browser.ts';
import { firstTaskId } from '../../support/service-process.ts';
import { usePageService } from './page-service.ts';

const ROW = '.task-rows .task-row';

describe.skipIf(isBrowserMissing)('the list of tasks in a browser', () => {
  const browser = useBrowser();
  const own = usePageService();
  const rowOf = (id: string): string => `${ROW}:has(a[href="/tasks/${id}"])`;

  test('it shows what the service has recorded', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    const { run, failed, delivered } = own.recorded;
    const text = async (id: string): Promise<string> => page.locator(rowOf(id)).innerText();
    expect(await text(run)).toMatch(/completed[\s\S]*Fix the flaky login test[\s\S]*claude[\s\S]*\$0\.03/);
    expect(await text(failed)).toMatch(/failed[\s\S]*Raise the memory limit/);
    expect(await text(delivered)).toMatch(/acme\/app/);
    expect(await page.locator(ROW).count()).toBe(9);
  });

  test('hostile text of a message is text', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    const link = page.locator(`${rowOf(own.recorded.hostile)} a`).first();
    expect(await link.innerText()).toContain('<script>window.__ran = 7</script><img src=x');
    expect(await page.evaluate('window.__ran')).toBeUndefined();
    expect(await page.locator('main img, main script, main iframe').count()).toBe(0);
  });

  test('a task that begins and ends while the page is open is shown without a reload', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    await page.waitForSelector('.live-open');
    await page.evaluate('window.__same = true');
    const answer = await own.service.submit({ agent: 'waiting', message: 'Wait for the file' });
    const row = rowOf(firstTaskId(await answer.json()));
    await page.waitForSelector(`${row} .status-running`);
    await writeFile(join(own.cwd, 'go'), '');
    await page.waitForSelector(`${row} .status-completed`);
    expect(await page.evaluate('window.__same')).toBe(true);
  });

  test('the page goes on after a restart of the service, without a reload', async () => {
    const { page } = await browser.tab({ mayFail: true });
    await page.goto(own.url);
    await page.waitForSelector('.live-open');
    await page.evaluate('window.__same = true');
    const lost = page.waitForSelector('.live-lost');
    await own.restart();
    await lost;
    await page.waitForSelector('.live-open');
    const answer = await own.service.submit({ agent: 'codex', message: 'After the restart' });
    await page.waitForSelector(`${rowOf(firstTaskId(await answer.json()))} .status-completed`);
    expect(await page.evaluate('window.__same')).toBe(true);
  });

  test('keys search, choose and open', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement.id')).toBe('q');
    await page.keyboard.type('status:failed');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=status/);
    await page.waitForSelector(`${ROW} .status-failed`);
    await expect.poll(() => page.locator(`${ROW} .status-completed`).count()).toBe(0);
    // Not Escape: it empties a search box, which is another query.
    await page
      .locator('body')
      .evaluate((body) => (body.ownerDocument.activeElement as unknown as { blur(): void }).blur());
    await page.keyboard.press('j');
    await page.waitForSelector(`${ROW}[aria-selected="true"]`);
    await page.keyboard.press('k');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/tasks\//);
    await page.goBack();
    await page.waitForURL(/q=status/);
  });

  test('each control can be reached with the tab key, and shows it', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    const seen: string[] = [];
    for (let i = 0; i < 12; i += 1) {
      await page.keyboard.press('Tab');
      const look = `(() => {
        const style = getComputedStyle(document.activeElement);
        const ring = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
        return document.activeElement.tagName + ' ' + ring;
      })()`;
      seen.push(await page.evaluate(look));
    }
    expect(seen.filter((one) => !one.endsWith('true'))).toEqual([]);
    expect(new Set(seen).size).toBeGreaterThan(1);
  });

  test('the file of a run works without a server, and shows hostile text as text', async () => {
    const { hostile, run } = own.recorded;
    for (const id of [run, hostile]) {
      const file = join(own.cwd, `${id}.html`);
      await writeFile(file, await (await fetch(`${own.url}/tasks/${id}/export`)).text());
      const { page } = await browser.tab({ bypassCSP: true, offline: true });
      await page.goto(`file://${file}`);
      expect(await page.locator('h2').allInnerTexts()).toContain('Transcript');
      expect(await page.evaluate('window.__ran')).toBeUndefined();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await findBarriers(page), colorScheme).toEqual([]);
      }
      const strict = await browser.tab({ offline: true, viewport: { width: 390, height: 844 } });
      await strict.page.goto(`file://${file}`);
      // The style counts: its hash is the one of the policy.
      expect(await strict.page.evaluate('getComputedStyle(document.querySelector("dl")).display')).toBe(
        'grid',
      );
      expect(await overflowOf(strict.page)).toBeLessThanOrEqual(0);
      await strict.page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
      expect(await strict.page.evaluate('window.__ran')).toBeUndefined();
    }
  });
});
