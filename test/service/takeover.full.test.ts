import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { objectOf } from '../../src/model/json.ts';
import { afterTest } from '../support/current-test.ts';
import { comment, deliver } from '../support/deliveries.ts';
import { documentOf, linesOf } from '../support/log-dir.ts';
import { findRedis, startRedis } from '../support/redis.ts';
import { type Env, firstTaskId, readDocument, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

/** Writes `began <task> <step> <pid>` and `ended ...` to a file of its own, one number a second between. */
const AGENT = `
note() { echo "$1 $TASK_LOGS_TASK_ID $2 $$" >>"$3"; }
trap 'note stopped "$1" "$2"; exit 143' TERM
note began "$1" "$2"
n=0
while [ "$n" -lt 20 ]; do echo "line $1 $n"; n=$((n + 1)); sleep 0.1; done
note ended "$1" "$2"
`;

const STEPS = ['one', 'two', 'three'];

/** The lock of a stopped process is stale after ten seconds. */
const STALE_MS = 10_500;

interface Place {
  readonly cwd: string;
  readonly logDir: string;
  readonly notes: string;
  readonly env: Env;
}

const redis = findRedis();

async function place(hasRedis: boolean): Promise<Place> {
  const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-takeover-'));
  afterTest(() => rm(cwd, { recursive: true, force: true }));
  const notes = join(cwd, 'notes');
  await writeFile(notes, '');
  await writeFile(join(cwd, 'agent.sh'), AGENT);
  const command = ['/bin/sh', join(cwd, 'agent.sh'), '{step}', notes];
  const review = { agent: 'slow', phases: [{ name: 'build', steps: STEPS }] };
  const config = { agents: { slow: { command } }, commands: { review } };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify(config));
  if (!hasRedis) return { cwd, logDir: join(cwd, 'logs'), notes, env: {} };
  const server = await startRedis(redis);
  afterTest(() => server.stop());
  return { cwd, logDir: join(cwd, 'logs'), notes, env: { REDIS_URL: server.url } };
}

async function start({ cwd, env }: Place): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({
    cwd,
    env: { TASK_LOGS_CONCURRENCY: '2', TASK_LOGS_COMMAND: 'review', ...env },
  });
  afterTest(() => service.dispose());
  return service;
}

/** The second service is refused while the lock counts as held. */
async function takeOver(at: Place): Promise<ServiceProcess> {
  return until(() => start(at).catch(() => undefined), 'the second service', 60_000);
}

/** The keys that occur more than once. */
function repeated(keys: readonly string[]): readonly string[] {
  return keys.filter((key, index) => keys.indexOf(key) !== index);
}

function notesOf({ notes }: Place): readonly (readonly string[])[] {
  return readFileSync(notes, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '));
}

async function statusesOf({ logDir }: Place, ids: readonly string[]): Promise<readonly unknown[]> {
  return Promise.all(ids.map(async (id) => (await readDocument(logDir, id, 'metadata.json'))?.status));
}

/** Type, phase and step of each stored event of a task's workflow. */
function eventsOf({ logDir }: Place, taskId: string): readonly string[] {
  const ids = documentOf(join(logDir, taskId), 'metadata.json').workflow_ids;
  const month = new Date().toISOString().slice(0, 7).replace('-', '/');
  return (Array.isArray(ids) ? ids : []).flatMap((id) =>
    linesOf(join(logDir, '_workflow', month, `${id}.jsonl`)).map((line) => {
      const event = objectOf(line);
      const payload = objectOf(event.payload);
      return [id, event.event_type, payload.phase, JSON.stringify(payload.step)].join(' ');
    }),
  );
}

/** Both mostly wait. */
const BESIDE = { timeout: 240_000, concurrent: true };

test(
  'a service that is stopped, replaced and goes on runs no step and takes no webhook twice, and ends',
  { ...BESIDE, tags: ['long'] },
  () => replaceStopped(false),
);

test.skipIf('missing' in redis)('the same with a queue in Redis', { ...BESIDE, tags: ['long'] }, () =>
  replaceStopped(true),
);

async function replaceStopped(hasRedis: boolean): Promise<void> {
  const at = await place(hasRedis);
  const first = await start(at);
  const sent: { readonly id: string; readonly payload: object }[] = [];
  const ids: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    const payload = comment(`@agent review ${n}`);
    const id = `delivery-${n}-${Math.random()}`;
    const answer = await deliver(first.url, payload, { id });
    expect(answer.status).toBe(202);
    ids.push(firstTaskId(await answer.json()));
    sent.push({ id, payload });
  }
  ids.push(firstTaskId(await (await first.submit({ message: 'm', command: 'review' })).json()));
  await delay(Math.random() * 5_000);

  first.child.kill('SIGSTOP');
  await delay(STALE_MS);
  const second = await takeOver(at);
  await delay(Math.random() * 4_000);
  first.child.kill('SIGCONT');

  expect(await first.exited).toEqual({ code: 1, signal: null });
  const lines = first.stderr.split('\n').filter((line) => line.includes('has taken over'));
  expect(lines).toEqual([expect.stringMatching(/^tasktrail: another process has taken over/)]);
  for (const { id, payload } of sent) {
    const again = await deliver(second.url, payload, { id });
    expect([200, 202]).toContain(again.status);
  }
  await until(
    async () => (await statusesOf(at, ids)).every((status) => status === 'completed'),
    'the end of all tasks',
    120_000,
  );
  const began = notesOf(at).filter(([word]) => word === 'began');
  expect(repeated(began.map(([, task, step]) => `${task} ${step}`))).toEqual([]);
  expect(began.length).toBe(ids.length * STEPS.length);
  expect(new Set(began.map(([, task]) => task))).toEqual(new Set(ids));
  expect(notesOf(at).filter(([word]) => word === 'stopped')).toEqual([]);
  expect(await second.stop()).toMatchObject({ code: 0 });
  for (const id of ids) {
    const events = eventsOf(at, id).filter((event) => / (?:phase|step|workflow)_/.test(event));
    expect(repeated(events.filter((event) => !/resume|start/.test(event)))).toEqual([]);
    const output = linesOf(join(at.logDir, id, '03-agent-output.jsonl')).map(({ content }) =>
      String(content),
    );
    expect(output.filter((line) => line.startsWith('line ')).length).toBe(STEPS.length * 20);
  }
}
