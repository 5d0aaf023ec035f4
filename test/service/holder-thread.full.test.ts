import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { afterTest } from '../support/current-test.ts';
import { copyPackageWithout } from '../support/package-copy.ts';
import { findRedis, startRedis } from '../support/redis.ts';
import { type Env, resultOf, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const PART = "the holder's thread";

const redis = findRedis();

/** Does what a file in the working directory says: the thread throws, never goes on, or cannot start. */
const WRECKED = `
import { existsSync, rmSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
const at = (name) => workerData.config.logDir + '/../' + name;
const takes = (name) => existsSync(at(name)) && (rmSync(at(name)), true);
if (existsSync(at('closed'))) throw new RangeError('it cannot start');
setInterval(() => {
  if (takes('throw')) throw new RangeError('a defect');
  if (takes('hang')) for (;;);
}, 5).unref();
await import('./thread-real.js');
`;

interface Health {
  readonly status: number;
  readonly body: { readonly reasons?: Env; readonly notices?: Env };
}

interface Place {
  readonly cwd: string;
  readonly service: ServiceProcess;
  /** The last answers of `/readyz`, the newest last. */
  readonly seen: Health[];
}

async function start(role: 'start' | 'serve'): Promise<Place> {
  const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-holder-thread-'));
  afterTest(() => rm(cwd, { recursive: true, force: true }));
  const main = await copyPackageWithout(join(cwd, 'package'), []);
  const folder = join(cwd, 'package', 'dist', 'trail', 'thread');
  await rename(join(folder, 'thread-main.js'), join(folder, 'thread-real.js'));
  await writeFile(join(folder, 'thread-main.js'), WRECKED);
  const agents = { echo: { command: ['echo', 'done'] } };
  const review = { agent: 'echo', phases: [{ name: 'build', steps: ['one'] }] };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents, commands: { review } }));
  let env: Env = { TASK_LOGS_COMMAND: 'review' };
  if (role === 'serve') {
    const server = await startRedis(redis);
    afterTest(() => server.stop());
    env = { ...env, REDIS_URL: server.url };
  }
  const service = await ServiceProcess.start({ cwd, env, args: [role], main });
  afterTest(() => service.dispose());
  const seen: Health[] = [];
  const watch = setInterval(async () => {
    const health = await readHealth(service).catch(() => undefined);
    if (health !== undefined) seen.push(health);
  }, 20);
  afterTest(() => clearInterval(watch));
  return { cwd, service, seen };
}

async function readHealth({ url }: ServiceProcess): Promise<Health> {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, body: (await response.json()) as Health['body'] };
}

const reasonOf = ({ body }: Health): string => body.reasons?.[PART] ?? '';

test.concurrent.for(['start', 'serve'] as const)(
  '%s: while its thread cannot be started /readyz is 503 and says so; when it runs again it is 200 with a notice',
  { timeout: 180_000 },
  async (role, { skip }) => {
    if (role === 'serve' && 'missing' in redis) skip(redis.missing);
    const { cwd, service, seen } = await start(role);
    await until(async () => (await readHealth(service)).status === 200, 'a ready service');
    await writeFile(join(cwd, 'closed'), '');
    await writeFile(join(cwd, 'throw'), '');
    const ended = await until(() => seen.find((one) => reasonOf(one).includes('it cannot start')), 'the 503');
    expect(ended.status).toBe(503);
    expect(reasonOf(ended)).toMatch(/^it has ended, and is started again: |^it cannot be started again: /);
    // What is recorded meanwhile waits, and a task is taken.
    const submitted = await service.submit({ message: 'm', command: 'review' });
    expect(submitted.status).toBe(202);
    const [id = ''] = ((await submitted.json()) as { readonly task_ids: readonly string[] }).task_ids;
    await rm(join(cwd, 'closed'));
    const well = await until(() => {
      const last = seen.at(-1);
      return last?.status === 200 && last.body.notices?.[PART] !== undefined ? last : undefined;
    }, 'the notice');
    expect(well.body.notices?.[PART]).toMatch(/^it was started again (?:once|\d+ times); the last reason: /);
    expect(well.body.reasons).toEqual({});
    expect(service.stderr + service.stdout).toContain(`${PART} has ended, and is started again: a defect`);
    if (role === 'start')
      expect(await resultOf(join(cwd, 'logs'), id, 60_000)).toMatchObject({ status: 'completed' });
  },
);

test.concurrent('start: a thread that hangs is ended and started again, and /readyz says so afterwards', {
  tags: ['long'],
  timeout: 240_000,
}, async () => {
  const { cwd, service, seen } = await start('start');
  await until(async () => (await readHealth(service)).status === 200, 'a ready service');
  await writeFile(join(cwd, 'hang'), '');
  // Thirty seconds without a beat.
  const notice = await until(() => seen.at(-1)?.body.notices?.[PART], 'the notice', 150_000);
  expect(notice).toMatch(/^it was started again once; the last reason: it has not moved for \d+ checks$/);
  expect(seen.some((one) => one.status === 503 && /hangs|has ended/.test(reasonOf(one)))).toBe(true);
  await until(() => seen.at(-1)?.status === 200, 'a ready service');
});
