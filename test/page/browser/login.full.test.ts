import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findBarriers, isBrowserMissing, useBrowser } from '../../support/browser.ts';
import { PAGE_STORES, usePageService } from './page-service.ts';

const TOKEN = 'the-token-of-the-browser-tests';

/** Asks from the page itself, as its scripts do, and returns the status. */
function post(path: string, origin = ''): string {
  const key = "localStorage.getItem('tasktrail-page-key /') ?? ''";
  const init = `{ method: 'POST', credentials: 'include',
    headers: { 'content-type': 'application/json', 'tasktrail-page-key': ${key} },
    body: JSON.stringify({ agent: 'codex', message: 'from a page' }) }`;
  return `fetch('${origin}${path}', ${init}).then(({ status }) => status, () => 'refused')`;
}

const STORES = isBrowserMissing ? [] : PAGE_STORES;

describe.each(STORES)('the login in a browser, over %s', (store) => {
  const browser = useBrowser();
  const own = usePageService({ TASK_LOGS_API_TOKEN: TOKEN }, store);

  test('the token opens the page, which keeps no copy that a script can read', async () => {
    const { page } = await browser.tab({ mayFail: true });
    await page.goto(own.url);
    await page.fill('#token', 'a wrong token');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    expect(await page.context().cookies()).toEqual([]);
    await page.fill('#token', TOKEN);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.task-row .status-completed');
    await page.waitForSelector('.live-open');
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/', secure: false });
    expect(cookie?.value).not.toContain(TOKEN);
    const kept = await page.evaluate(
      'document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }) + document.documentElement.outerHTML',
    );
    expect(kept).not.toContain(TOKEN);
    expect(kept).not.toContain(cookie?.value);
    expect(await page.evaluate(post('/api/tasks'))).toBe(202);
    await page.reload();
    await page.waitForSelector('.task-row .status-completed');
  });

  test('a page of another port changes nothing with the login', async () => {
    const { page, problems } = await browser.tab({ mayFail: true });
    await page.goto(own.url);
    await page.fill('#token', TOKEN);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.task-row');
    const count = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const answer = await fetch(`${own.url}/api/tasks?limit=100`, { headers });
      return ((await answer.json()) as { items: unknown[] }).items.length;
    };
    const before = await count();
    const sent: (string | undefined)[] = [];
    const server = createServer((req, res) => {
      sent.push(req.headers.cookie);
      res.setHeader('content-type', 'text/html').end('<title>another program</title>');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    // The browser itself makes no difference between the ports.
    expect(sent[0]).toMatch(/^tasktrail-/);
    expect(await page.evaluate(post('/api/tasks', own.url))).toBe('refused');
    const simple = `fetch('${own.url}/api/tasks', { method: 'POST', mode: 'no-cors', credentials: 'include',
      body: '{"message":"x"}' }).then(({ status }) => status)`;
    expect(await page.evaluate(simple)).toBe(0);
    // Nor has the server there, which has got the cookie and can say what it likes.
    const answer = await fetch(`${own.url}/api/tasks`, {
      method: 'POST',
      headers: {
        cookie: sent[0] ?? '',
        origin: own.url,
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/json',
      },
      body: '{"message":"from another port"}',
    });
    expect(answer.status).toBe(401);
    expect(await page.evaluate('JSON.stringify({ ...localStorage })')).toBe('{}');
    const read = `fetch('${own.url}/api/tasks', { credentials: 'include' }).then(() => 'read', () => 'refused')`;
    expect(await page.evaluate(read)).toBe('refused');
    expect(await count()).toBe(before);
    // The browser reports what it refused.
    problems.splice(0, problems.length, ...problems.filter((one) => !one.includes('CORS policy')));
  });

  test('axe finds nothing in the login', async () => {
    const { page } = await browser.tab({ mayFail: true, bypassCSP: true });
    await page.goto(own.url);
    await page.waitForSelector('#token');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
  });
});
