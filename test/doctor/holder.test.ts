import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Subject } from '../../src/doctor/finding.ts';
import { checkHolder } from '../../src/doctor/holder.ts';
import { startReceiver } from '../../src/receive/server.ts';
import type { Sink } from '../../src/receive/sink.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { freePort } from '../support/free-port.ts';
import { linesOf, notFound, serve, serveTcp, statusOf, subjectOf } from './subject.ts';

const TOKEN = 'sixteen characters';
const KEY = 'c0ffee'.repeat(10);

async function look(subject: Subject): Promise<string> {
  return linesOf(await checkHolder(subject));
}

async function hold({ config }: Subject, url?: string): Promise<void> {
  const lock = await DirectoryLock.acquire(config.logDir, () => {}, { key: config.key });
  onTestFinished(() => lock.release());
  if (url !== undefined) await lock.announce(url);
}

function plant({ config }: Subject, text: string, ageMs = 0): void {
  mkdirSync(config.logDir, { recursive: true });
  const path = join(config.logDir, '_lock.json');
  writeFileSync(path, text);
  const then = new Date(Date.now() - ageMs);
  utimesSync(path, then, then);
}

test('a directory without a holder is no problem', async () => {
  expect(await look(subjectOf())).toMatch(/^ok .*_lock\.json: no process holds the directory/);
});

test.runIf(process.platform !== 'win32')(
  'a link or a pipe in place of the lock is a problem, and not read',
  async () => {
    for (const kind of ['a symbolic link', 'a named pipe']) {
      const subject = subjectOf();
      const { logDir } = subject.config;
      mkdirSync(logDir, { recursive: true });
      const path = join(logDir, '_lock.json');
      if (kind === 'a named pipe') execFileSync('mkfifo', [path]);
      else symlinkSync('/etc/passwd', path);
      expect(await look(subject)).toMatch(new RegExp(`^problem .*_lock\\.json: is ${kind}.*remove it`, 's'));
    }
  },
);

test('a holder that accepts records is named, and gets nothing to store', async () => {
  const subject = subjectOf({ TASK_LOGS_API_TOKEN: TOKEN, TASK_LOGS_KEY: KEY });
  let asked = 0;
  const sink: Sink = {
    ingest: async () => {
      asked += 1;
      return { rejected: 0, reasons: [] };
    },
  };
  const receiver = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    sink,
    secrets: { apiToken: TOKEN, key: KEY },
  });
  onTestFinished(() => receiver.close(0));
  await hold(subject, receiver.url);
  const before = readdirSync(subject.config.logDir);
  expect(await look(subject)).toBe(
    `ok ${join(subject.config.logDir, '_lock.json')}: held by process ${process.pid} on ${ownIdentity().host}, which takes records at ${receiver.url}`,
  );
  expect(asked).toBe(0);
  expect(readdirSync(subject.config.logDir)).toEqual(before);
});

test('a holder with another token is a problem, and no token is printed', async () => {
  const subject = subjectOf({ TASK_LOGS_API_TOKEN: TOKEN, TASK_LOGS_KEY: KEY });
  const sink = { ingest: async () => ({ rejected: 0, reasons: [] }) };
  const receiver = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    sink,
    secrets: { apiToken: TOKEN, key: 'another key' },
  });
  onTestFinished(() => receiver.close(0));
  await hold(subject, receiver.url);
  const line = await look(subject);
  expect(line).toMatch(/^problem .*refuses our token.* -> restart the process that holds the directory/);
  expect(line).not.toContain(TOKEN);
  expect(line).not.toContain(KEY);
});

test.each([
  [
    async () => `http://127.0.0.1:${await freePort()}`,
    /nothing listens there: records of other processes wait/,
  ],
  [() => serve(notFound), /something else answers \(404\)/],
  [() => serve(statusOf(503)), /cannot store now/],
  [async () => `http://127.0.0.1:${await serveTcp(() => {})}`, /does not answer in time/],
])('a holder whose receiver does not accept records is a problem (%#)', async (start, expected) => {
  const subject = subjectOf();
  await hold(subject, await start());
  const line = await look(subject);
  expect(line).toMatch(/^problem .*held by process \d+ .* -> /);
  expect(line).toMatch(expected);
});

test('a holder that is just starting has no address yet', async () => {
  const subject = subjectOf();
  await hold(subject);
  expect(await look(subject)).toMatch(/^ok .*held by process \d+ .*, which is starting/);
});

test('the lock of a dead process, an old lock and an unreadable lock are stale', async () => {
  const subject = subjectOf();
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  const record = { ...ownIdentity(), token: 'T1', started_at: '', otlp_url: null };
  plant(subject, JSON.stringify({ ...record, pid: child.pid }));
  expect(await look(subject)).toMatch(
    new RegExp(`^warning .*left by process ${child.pid} .* -> tasktrail start takes it over`),
  );
  plant(subject, JSON.stringify({ ...record, host: 'elsewhere', pid: 7 }), 60_000);
  expect(await look(subject)).toMatch(
    /^warning .*left by process 7 on elsewhere, last seen 60 s ago and not alive/,
  );
  plant(subject, '{"pid":', 60_000);
  expect(await look(subject)).toMatch(
    /^warning .*left by another program, or a process that was killed while it wrote the file/,
  );
});
