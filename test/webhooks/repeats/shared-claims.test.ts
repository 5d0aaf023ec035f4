import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import type { Candidate, Claim, SharedClaims } from '../../../src/webhooks/repeats/shared-claims.ts';
import { comment, deliver } from '../../support/deliveries.ts';
import { installMemory } from '../../support/memory-recorder.ts';
import { openReceiver } from '../../support/receiver.ts';

/** Claims in memory, as Redis has them for several processes. */
class Claims implements SharedClaims {
  readonly held = new Map<string, { readonly taskId: string; isStarted: boolean }>();
  isAway = false;

  async claim(name: string, { taskId }: Candidate): Promise<Claim> {
    if (this.isAway) throw new TasktrailError('ERR_QUEUE_UNAVAILABLE', 'Redis is away', { retryable: true });
    const held = this.held.get(name);
    if (held !== undefined) return { state: held.isStarted ? 'taken' : 'busy', taskId: held.taskId };
    this.held.set(name, { taskId, isStarted: false });
    return { state: 'won', taskId };
  }

  async settle(name: string, { taskId, isStarted }: { taskId: string; isStarted: boolean }): Promise<void> {
    if (this.held.get(name)?.taskId !== taskId) return;
    if (isStarted) this.held.set(name, { taskId, isStarted });
    else this.held.delete(name);
  }
}

async function idsOf(response: Response): Promise<readonly string[]> {
  return ((await response.json()) as { readonly task_ids: readonly string[] }).task_ids;
}

const BOTH = '@agent review\n@agent fix';

test('of two receivers that get one comment at the same time, one starts each command', async () => {
  installMemory();
  const claims = new Claims();
  const receivers = await Promise.all([1, 2].map(() => openReceiver({ claims })));
  const payloads = [BOTH, '@agent fix\n@agent review'].map((text) => comment(text, {}, 7));
  const answers = await Promise.all(
    receivers.flatMap(({ url }) => payloads.map((payload) => deliver(url, payload))),
  );
  for (const answer of answers) expect([200, 202]).toContain(answer.status);
  const started = receivers.flatMap(({ tasks }) => tasks);
  expect(started.map(({ command }) => command).sort()).toEqual(['fix', 'review']);
  const named = await Promise.all(answers.map(idsOf));
  for (const ids of named) expect([...ids].sort()).toEqual(started.map(({ id }) => id).sort());
  for (const { close } of receivers) await close();
});

test('a delivery without a subject is claimed by its signed bytes, whatever its id', async () => {
  installMemory();
  const claims = new Claims();
  const receivers = await Promise.all([1, 2].map(() => openReceiver({ claims })));
  const id = randomUUID();
  const unnamed = comment('@agent review', { comment: { body: '@agent review' } });
  const statuses: number[] = [];
  for (const { url } of receivers) statuses.push((await deliver(url, unnamed, { id })).status);
  expect(statuses).toEqual([202, 200]);
  expect(claims.held.size).toBe(1);
  for (const { url } of receivers) {
    expect((await deliver(url, unnamed, { headers: { 'x-github-delivery': '' } })).status).toBe(200);
    expect((await deliver(url, unnamed)).status).toBe(200);
  }
  expect(claims.held.size).toBe(1);
  for (const { close } of receivers) await close();
});

test('while the other processes cannot be asked nothing starts, and the refusal is recorded without a task', async () => {
  const memory = installMemory();
  const claims = new Claims();
  const receiver = await openReceiver({ claims });
  claims.isAway = true;
  const payload = comment(BOTH, {}, 7);
  const refused = await deliver(receiver.url, payload);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).not.toBeNull();
  expect(receiver.tasks).toEqual([]);
  expect(JSON.stringify(memory)).toContain('Redis is away');
  expect(memory.bodies('tasktrail.task.metadata')).toEqual([]);
  claims.isAway = false;
  const accepted = await deliver(receiver.url, payload);
  expect(accepted.status).toBe(202);
  expect(receiver.tasks.map(({ command }) => command)).toEqual(['review', 'fix']);
  expect(await idsOf(accepted)).toEqual(receiver.tasks.map(({ id }) => id));
  await receiver.close();
});

test('a task that cannot be queued gives its claim back, and the queued one keeps it', async () => {
  installMemory();
  const claims = new Claims();
  let isUp = false;
  const started: string[] = [];
  const open = () =>
    openReceiver({
      claims,
      onTask: (task) =>
        task.enqueue({ queue: 'agent', system: 'test' }, async () => {
          if (task.command === 'fix' && !isUp) throw new RangeError('no room');
          started.push(task.command);
        }),
    });
  const [first, second] = [await open(), await open()];
  const payload = comment(BOTH, {}, 7);
  expect((await deliver(first.url, payload)).status).toBe(503);
  isUp = true;
  expect((await deliver(second.url, payload)).status).toBe(202);
  expect((await deliver(first.url, payload)).status).toBe(200);
  expect(started).toEqual(['review', 'fix']);
  await first.close();
  await second.close();
});

test('a delivery whose task another process does not finish to start is answered with 503, and all its claims are free', {
  tags: 'full',
}, async () => {
  installMemory();
  const claims = new Claims();
  const receiver = await openReceiver({ claims });
  const payload = comment(BOTH, {}, 7);
  expect((await deliver(receiver.url, payload)).status).toBe(202);
  const [held] = claims.held.values();
  if (held !== undefined) held.isStarted = false;
  const other = await openReceiver({ claims });
  const before = claims.held.size;
  expect((await deliver(other.url, payload)).status).toBe(503);
  expect(other.tasks).toEqual([]);
  expect(claims.held.size).toBe(before);
  await receiver.close();
  await other.close();
});
