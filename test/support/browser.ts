import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { findTool, pathOf } from './tool.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What the issue asks for: WCAG 2.2 AA, and the best practices that axe knows. */
const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const tool = findTool('chromium');

/** Why tests in a browser cannot run here: for `describe.skipIf`. */
export const isBrowserMissing: boolean = 'missing' in tool;

/** A page, and what went wrong in it. */
export interface Tab {
  readonly page: Page;
  /** Errors of the console and of scripts, violations of the policy, requests to other hosts. */
  readonly problems: string[];
}

export interface TabOptions extends BrowserContextOptions {
  /** Failed requests are part of the test: a server that is away, or one that asks for a login. */
  readonly mayFail?: boolean;
}

export interface BrowserOfFile {
  /** A page in a context of its own, closed with the test. The test fails when something went wrong in it. */
  tab(options?: TabOptions): Promise<Tab>;
}

/** One Chromium for the tests of a file. */
export function useBrowser(): BrowserOfFile {
  let browser: Browser | undefined;
  beforeAll(async () => {
    // Root has no sandbox in Chromium; the pages are our own.
    browser = await chromium.launch({ executablePath: pathOf(tool), args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());
  return {
    tab: async ({ mayFail = false, ...options } = {}) => {
      if (browser === undefined) throw new Error('the browser is not open');
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const problems = watchProblems(page, mayFail);
      onTestFinished(async () => {
        await context.close();
        expect(problems).toEqual([]);
      });
      return { page, problems };
    },
  };
}

function watchProblems(page: Page, mayFail: boolean): string[] {
  const problems: string[] = [];
  page.on('console', (message) => {
    // A task that was made this moment has no input yet: 404 is the documented answer.
    if (message.location().url.endsWith('/logs/input') && message.text().includes(' 404 ')) return;
    const isFailedRequest = message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !(mayFail && isFailedRequest))
      problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`thrown: ${error.message}`));
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') problems.push(`request: ${request.url()}`);
  });
  return problems;
}

/** What axe finds on a page whose context has `bypassCSP`: a line each. */
export async function findBarriers(page: Page): Promise<readonly string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  return page.evaluate(async (tags) => {
    interface Axe {
      run(
        root: unknown,
        options: object,
      ): Promise<{
        violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[];
      }>;
    }
    const { axe, document } = globalThis as unknown as { axe: Axe; document: unknown };
    const { violations } = await axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(
        ({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 200)}: ${failureSummary ?? ''}`,
      ),
    );
  }, AXE_TAGS);
}

/** By how many pixels a page is wider than its window. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - innerWidth');
}
