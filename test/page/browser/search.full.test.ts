import { describe, expect, test } from 'vitest';
import { findBarriers, isBrowserMissing, overflowOf, type Tab, useBrowser } from '../../support/browser.ts';
import { comment, deliver, SECRET } from '../../support/deliveries.ts';
import { firstTaskId } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { usePageService } from './page-service.ts';

const ROW = '.task-rows .task-row';
const OPTION = '#q-list [role=option]';

/** More than the filters show at once, and than they list without a box of their own. */
const REPOS = 22;

describe.skipIf(isBrowserMissing)('the search in a browser', () => {
  const browser = useBrowser();
  const own = usePageService();

  async function send(repo: string, id: number): Promise<string> {
    const page = `https://github.com/${repo}/issues/42`;
    const payload = comment('@agent review', {
      issue: { number: 42, title: 'It is slow', html_url: page },
      comment: { id, body: '@agent review', html_url: `${page}#issuecomment-${id}` },
      repository: { full_name: repo },
    });
    const answer = await deliver(own.url, payload, { secret: SECRET });
    return firstTaskId(await answer.json());
  }

  async function readJson(path: string): Promise<Record<string, unknown>> {
    return (await (await fetch(`${own.url}/api${path}`)).json()) as Record<string, unknown>;
  }

  async function untilFound(q: string, count: number): Promise<void> {
    await until(async () => {
      const { items } = await readJson(`/tasks?q=${encodeURIComponent(q)}`);
      return (items as unknown[]).length === count;
    }, `${count} tasks of ${q}`);
  }

  async function paste({ page }: Tab, text: string): Promise<void> {
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    await page.evaluate((copied) => {
      const { navigator } = globalThis as unknown as {
        navigator: { clipboard: { writeText(text: string): Promise<void> } };
      };
      return navigator.clipboard.writeText(copied);
    }, text);
    await page.keyboard.press('/');
    await page.keyboard.press('Control+V');
  }

  test('what is pasted opens its task: its id, its trace, the issue, the comment', async () => {
    const tab = await browser.tab({ permissions: ['clipboard-read', 'clipboard-write'] });
    const { delivered, run } = own.recorded;
    const { trace_id: trace } = await readJson(`/tasks/${run}`);
    await paste(tab, run);
    await tab.page.waitForURL(`**/tasks/${run}`);
    await paste(tab, `${trace}`);
    await tab.page.waitForURL(`**/tasks/${run}`);
    await tab.page.goBack();
    await tab.page.waitForSelector(ROW);
    await paste(tab, 'https://github.com/acme/app/issues/42');
    await tab.page.waitForURL(`**/tasks/${delivered}`);
    const input = await readJson(`/tasks/${delivered}/logs/input`);
    const { comment_id: id } = input.source_metadata as { comment_id: number };
    await paste(tab, `https://github.com/acme/app/pull/42#issuecomment-${id}`);
    await tab.page.waitForURL(`**/tasks/${delivered}`);
    // Known to no field, and written in a message.
    await paste(tab, 'https://github.com/acme/other/issues/1');
    await tab.page.waitForSelector('.empty');
    expect(new URL(tab.page.url()).searchParams.get('q')).toBe('"https://github.com/acme/other/issues/1"');
  });

  test('what several tasks have is pasted into a list of them', async () => {
    const tab = await browser.tab({ permissions: ['clipboard-read', 'clipboard-write'] });
    await Promise.all([send('acme/two', 1), send('acme/two', 2)]);
    await untilFound('repo:acme/two issue:42', 2);
    await paste(tab, 'https://github.com/acme/two/issues/42');
    await tab.page.waitForURL(/q=repo/);
    await expect.poll(() => tab.page.locator(ROW).count()).toBe(2);
    expect(await tab.page.inputValue('#q')).toBe('repo:"acme/two" issue:42');
  });

  test('fields and values are suggested, and taken with the keyboard', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    await page.keyboard.press('/');
    await page.keyboard.type('stat');
    await page.waitForSelector(`${OPTION}:has-text("status:")`);
    await page.keyboard.press('ArrowDown');
    expect(await page.getAttribute('#q', 'aria-activedescendant')).toBe('q-0');
    await page.keyboard.press('Enter');
    expect(await page.inputValue('#q')).toBe('status:');
    await page.waitForSelector(`${OPTION}:has-text("status:failed")`);
    await page.keyboard.type('fai');
    await expect
      .poll(() => page.locator(OPTION).allInnerTexts())
      .toEqual([expect.stringMatching(/^status:failed/)]);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    expect(await page.inputValue('#q')).toBe('status:failed ');
    await page.waitForURL(/q=status/);
    await page.waitForSelector(`${ROW} .status-failed`);
    await page.keyboard.type('err');
    await page.waitForSelector(`${OPTION}:has-text("error_type:")`);
    await page.keyboard.press('Escape');
    await page.waitForSelector(OPTION, { state: 'detached' });
  });

  test('filters are one request, and show all values of a field', async () => {
    const { page } = await browser.tab({ bypassCSP: true });
    await Promise.all(Array.from({ length: REPOS }, (_, n) => send(`acme/repo-${n}`, 100 + n)));
    await untilFound('repo:acme/repo-*', REPOS);
    const asked: string[] = [];
    page.on('request', (request) => void asked.push(new URL(request.url()).pathname));
    await page.goto(own.url);
    const repos = page.locator('fieldset:has(legend:text-is("repo"))');
    await expect.poll(() => repos.locator('.facet').count()).toBe(8);
    expect(asked.filter((path) => path.endsWith('/facets'))).toHaveLength(1);
    await repos.getByRole('button', { name: /more/ }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => repos.locator('.facet').count()).toBeGreaterThan(REPOS);
    await repos.locator('.facet-filter').fill('repo-17');
    await expect
      .poll(() => repos.locator('.facet').allInnerTexts())
      .toEqual([expect.stringContaining('acme/repo-17')]);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
    await repos.locator('.facet input').check();
    await page.waitForURL(/q=repo/);
    await expect.poll(() => page.locator(ROW).count()).toBe(1);
    await repos.getByRole('button', { name: /Fewer/ }).click();
    // What is chosen is shown, however few tasks have it, and can be taken back.
    expect(await repos.locator('.facet input:checked').count()).toBe(1);
    await repos.locator('.facet input:checked').click();
    await expect.poll(() => page.locator(ROW).count()).toBeGreaterThan(10);
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
  });

  test('columns sort the list, and the address has the order', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    await page.locator('.task-heads a:has-text("Cost")').click();
    await page.waitForURL(/sort=cost/);
    const costs = async (): Promise<readonly number[]> => {
      const texts = await page.locator(`${ROW} > :nth-child(7)`).allInnerTexts();
      return texts.map((text) => Number(/[\d.]+/.exec(text)?.[0] ?? -1));
    };
    await expect.poll(async () => (await costs()).length).toBeGreaterThan(5);
    const found = await costs();
    expect(found).toEqual([...found].sort((a, b) => b - a));
    expect(found[0]).toBeGreaterThan(0);
    await page.reload();
    await page.waitForSelector('.task-heads [aria-sort="descending"]:has-text("Cost")');
  });

  test('a query with a mistake, a query without a task and a service that is away say what to do', async () => {
    const { page } = await browser.tab({ mayFail: true });
    await page.goto(`${own.url}/?q=cost:much`);
    expect(await page.locator('main [role=alert]').first().innerText()).toMatch(
      /character 6: cost: must be an amount/,
    );
    await page.goto(`${own.url}/?q=nosuchword`);
    expect(await page.locator('.empty').innerText()).toMatch(/nosuchword|No task/);
    await page.locator('.empty a').first().click();
    await page.waitForSelector(ROW);
    await own.service.stop('SIGKILL');
    await page.fill('#q', 'status:completed');
    await page.waitForSelector('[role=alert]:has-text("No connection")');
    await own.restart();
    await page.locator('[role=alert] button').first().click();
    await page.waitForSelector(`${ROW} .status-completed`);
  });
});
