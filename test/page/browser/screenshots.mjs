// `npm run screenshots [view...]`: takes the views of the page, light, dark and on a phone, into docs/images. They show tasks
// that a real service has recorded.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { CONFIG, recordTasks, SECRET, VIEWS } from './recorded.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');
const IMAGES = join(ROOT, 'docs', 'images');

const FORMS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
];

/** Milliseconds in which a view may still move. */
const REST_MS = 600;

const wanted = process.argv.slice(2);
const views = VIEWS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));

function chromiumPath() {
  const build = join(ROOT, 'test', 'tools', 'build.sh');
  const { status, stdout } = spawnSync('bash', [build, 'chromium'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) process.exit(1);
  return stdout.trim();
}

async function startService(cwd) {
  writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify(CONFIG));
  const env = {
    PATH: process.env.PATH,
    HOME: cwd,
    PORT: '0',
    TASK_LOGS_OTLP_PORT: '0',
    TASK_LOGS_DIR: join(cwd, 'logs'),
    TASK_LOGS_CONCURRENCY: '4',
    GITHUB_WEBHOOK_SECRET: SECRET,
  };
  const service = spawn(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), 'start'], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const piece of service.stdout.setEncoding('utf8')) {
    text += piece;
    const url = /^ {2}page +(\S+?)\/$/m.exec(text)?.[1];
    if (url !== undefined && text.includes('writes to')) return { service, url };
  }
  throw new Error(`the service did not start: ${text}`);
}

const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-screenshots-'));
const executablePath = chromiumPath();
const { service, url } = await startService(cwd);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  const recorded = await recordTasks(url);
  mkdirSync(IMAGES, { recursive: true });
  for (const { name: form, ...options } of FORMS) {
    const context = await browser.newContext({ ...options, reducedMotion: 'reduce' });
    for (const { name, path, ready } of views) {
      const page = await context.newPage();
      await page.goto(url + path(recorded));
      await page.waitForSelector(ready);
      await page.waitForTimeout(REST_MS);
      const file = join(IMAGES, `${name}-${form}.png`);
      await page.screenshot({ path: file });
      await page.close();
      process.stdout.write(`${file}\n`);
    }
    await context.close();
  }
} finally {
  await browser.close();
  service.kill('SIGTERM');
  await new Promise((done) => service.once('close', done));
  rmSync(cwd, { recursive: true, force: true });
}
