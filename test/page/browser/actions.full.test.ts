import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serveLogs, servePage } from '../../../src/express.ts';
import { findBarriers, isBrowserMissing, overflowOf, useBrowser } from '../../support/browser.ts';
import { tempDir } from '../../support/log-dir.ts';
import { openTrail } from '../../support/receiver.ts';
import { firstTaskId } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { PAGE_STORES, usePageService } from './page-service.ts';

const ROW = '.task-rows .task-row';

const STORES = isBrowserMissing ? [] : PAGE_STORES;

describe.each(STORES)('what the page does in a browser, over %s', (store) => {
  const browser = useBrowser();
  const own = usePageService({}, store);

  test('a task is started, cancelled and run again with the keyboard', async () => {
    const { page } = await browser.tab({ mayFail: true });
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    const cancelled = page.locator(`${ROW} .status-cancelled`);
    const before = await cancelled.count();
    await page.getByRole('button', { name: 'New task' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open] #new-message:focus');
    await page.keyboard.type('Wait until it is cancelled');
    await page.keyboard.press('Tab');
    await page.keyboard.type('no-such-agent');
    await page.keyboard.press('Enter');
    // The server says why not, and what was typed stays.
    await page.waitForSelector('dialog[open] [role=alert]:has-text("no-such-agent")');
    await page.fill('#new-agent', 'waiting');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/tasks\/task-/);
    const first = page.url();
    await page.waitForSelector('.run-title .status-running');
    await page.getByRole('button', { name: 'Cancel' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.run-title .status-cancelled');
    await page.getByRole('button', { name: 'Run again' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.href !== first && /\/tasks\/task-/.test(url.pathname));
    await page.waitForSelector('.run-title .status-running');
    // The message is another request than the task.
    await page.waitForSelector('.run-title h1:text-is("Wait until it is cancelled")');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.waitForSelector('.run-title .status-cancelled');
    await page.goto(own.url);
    await expect.poll(() => cancelled.count()).toBe(before + 2);
  });

  test('the keys are shown and closed with the keyboard', async () => {
    const { page } = await browser.tab();
    await page.goto(own.url);
    await page.waitForSelector(ROW);
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]:has-text("next and previous task")');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog[open]', { state: 'detached' });
    await page.keyboard.press('/');
    await page.keyboard.type('?');
    expect(await page.locator('dialog[open]').count()).toBe(0);
  });

  test('a workflow that waits for a person stands first, with its run, until it has its answer', async () => {
    const answer = await own.service.submit({ agent: 'codex', message: 'Deploy it' });
    const task = firstTaskId(await answer.json());
    const id = 'workflow-deploy-1';
    own.emit('workflow_start', id, '{"name":"deploy"}', '--task', task);
    own.emit('approval_request', id, '{"prompt":"Deploy to production?"}', '--task', task);
    const { page } = await browser.tab({ bypassCSP: true });
    await page.goto(`${own.url}/workflows`);
    const waiting = page.locator('.waiting');
    await waiting.waitFor();
    expect(await waiting.innerText()).toMatch(/deploy[\s\S]*Deploy to production\?/);
    expect(await waiting.locator(`a[href="/tasks/${task}"]`).count()).toBe(1);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    await waiting.locator('.card-title').click();
    await page.waitForSelector('.run-reason:has-text("Deploy to production?")');
    await page.goBack();
    await waiting.waitFor();
    own.emit('approval_granted', id, '{"prompt":"Deploy to production?"}', '--task', task);
    await waiting.waitFor({ state: 'detached' });
  });

  test('a run is followed from its first second to its end, without a reload', async () => {
    const { page } = await browser.tab();
    const answer = await own.service.submit({ agent: 'waiting', message: 'Wait for the file' });
    const id = firstTaskId(await answer.json());
    // A task is visible a moment after the answer.
    await until(async () => (await fetch(`${own.url}/api/tasks/${id}`)).ok, 'the task');
    await page.goto(`${own.url}/tasks/${id}`);
    await page.evaluate('window.__same = true');
    await page.waitForSelector('.output-lines:has-text("begun")');
    await page.waitForSelector('.run-title .status-running');
    // What runs now is in the timeline.
    await page.waitForSelector('.span-row .span-label');
    await writeFile(join(own.cwd, 'go'), '');
    await page.waitForSelector('.output-lines:has-text("done")');
    await page.waitForSelector('.run-title .status-completed');
    expect(await page.evaluate('window.__same')).toBe(true);
    await rm(join(own.cwd, 'go'));
  });
});

describe.skipIf(isBrowserMissing)('what the page says of the service, in a browser', () => {
  const browser = useBrowser();
  const own = usePageService();

  test('Health shows the queue and the disk', async () => {
    const { page } = await browser.tab({ bypassCSP: true });
    await page.goto(`${own.url}/health`);
    const part = (name: string): Promise<string> =>
      page.locator(`.health-part:has(h2:text-is("${name}"))`).innerText();
    await page.waitForSelector('.health-part');
    expect(await part('Queue')).toMatch(/Waiting\s+0\s+Running\s+\d[\s\S]*this process/);
    expect(await part('Disk')).toMatch(/iB of [\s\S]*Journal[\s\S]*iB|B[\s\S]*logs/);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
  });

  test('in an app of the user Health works under any mount', async () => {
    const trail = await openTrail(await tempDir());
    onTestFinished(() => trail.shutdown());
    const app = express();
    app.use('/ops/api', serveLogs(trail, { token: undefined }));
    app.use('/ops', servePage(trail, { apiPath: '/ops/api' }));
    const server = createServer(app);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    const { page } = await browser.tab();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ops/health`);
    await page.waitForSelector('.health-state .status-completed');
    await page.waitForSelector('.health-part:has-text("Log directory")');
    expect(await page.locator('h2:text-is("Queue")').count()).toBe(0);
  });
});
