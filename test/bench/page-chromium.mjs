import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { installProbe } from './page-probe.mjs';

const BUILD = fileURLToPath(new URL('../tools/build.sh', import.meta.url));
const VIEWPORT = { width: 1280, height: 800 };
const WAIT_MS_MAX = 120_000;

/** The path of Chromium, or undefined with a sentence on stderr. */
export function findChromium() {
  const { status, stdout, stderr } = spawnSync('bash', [BUILD, 'chromium'], { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  process.stderr.write(`bench: skipped: ${stderr.trim().slice(-300)}\n`);
  return undefined;
}

/** Calls `use` with a tab in a browser of its own: nothing is cached, and the largest of its renderers is the page. */
export async function withTab(executablePath, use) {
  // Root has no sandbox in Chromium; the pages are our own.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: VIEWPORT });
    page.setDefaultTimeout(WAIT_MS_MAX);
    await page.addInitScript(installProbe);
    return await use(page);
  } finally {
    await browser.close();
  }
}

/** Opens an address. Milliseconds from the start of the navigation until something that matches was drawn. */
export async function openedMs(page, url, selector) {
  await page.goto(url, { waitUntil: 'commit' });
  return page.evaluate((wanted) => globalThis.bench.drawnMs(wanted), selector);
}

/** Megabytes of the page's process that it shares with none, as Chromium's task manager shows them. */
export async function pageMemoryMb(page) {
  const session = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  return Math.max(...renderers.map(({ id }) => memoryMb(id, 'RssAnon')));
}

/** Megabytes of a process. `field` of /proc/<pid>/status. */
export function memoryMb(pid, field = 'VmRSS') {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
}
