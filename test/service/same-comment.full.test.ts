import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { comment, deliver } from '../support/deliveries.ts';
import { Fleet } from '../support/fleet.ts';
import { readDeliveries } from '../support/receiver.ts';
import { findRedis } from '../support/redis.ts';
import { readDocument, type ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { jiraComment, post, SECRETS, slackMessage, VENDOR } from '../support/vendors.ts';

const program = findRedis();

const ENV = {
  GITHUB_WEBHOOK_SECRET: SECRETS.new,
  JIRA_WEBHOOK_SECRET: SECRETS.new,
  SLACK_SIGNING_SECRET: SECRETS.new,
};

const REVIEW = '@agent review';

type Send = (url: string) => Promise<Response>;

function github(payload: object): Send {
  return (url) => deliver(url, payload, { secret: SECRETS.new });
}

function jira(payload: object): Send {
  const body = JSON.stringify(payload);
  const headers = { ...VENDOR.jira.sign(body), 'x-atlassian-webhook-identifier': randomUUID() };
  return (url) => post(url, 'jira', { headers, body });
}

function slack(event: object): Send {
  const body = JSON.stringify(slackMessage(REVIEW, {}, event));
  return (url) => post(url, 'slack', { headers: VENDOR.slack.sign(body), body });
}

/** A comment of each sender: its first delivery, and another one with another id. */
function comments(): readonly (readonly [Send, Send])[] {
  const id = Math.floor(Math.random() * 1e9);
  const ts = `${Math.floor(Date.now() / 1_000)}.${String(id).padStart(9, '0').slice(0, 6)}`;
  const one = {
    self: `https://acme.atlassian.net/rest/api/2/issue/10001/comment/${id}`,
    id: String(id),
    author: { accountType: 'atlassian' },
    body: REVIEW,
  };
  const update = { webhookEvent: 'jira:issue_updated', issue_event_type_name: 'issue_commented' };
  return [
    [
      github(comment(REVIEW, {}, id)),
      github(comment(REVIEW, { organization: { id: 9, login: 'acme' } }, id)),
    ],
    [jira(jiraComment('', { comment: one })), jira(jiraComment('', { comment: one, ...update }))],
    [slack({ ts }), slack({ ts, edited: { user: 'U1', ts } })],
  ];
}

async function answerOf(response: Response): Promise<{ status: number; taskIds: readonly string[] }> {
  const { task_ids: taskIds = [] } = (await response.json()) as { readonly task_ids?: readonly string[] };
  return { status: response.status, taskIds };
}

/** How often each message was worked on to its end. Its text names its comment. */
async function runsOf(logDir: string): Promise<ReadonlyMap<string, number>> {
  const runs = new Map<string, number>();
  for (const task of (await readdir(logDir)).filter((name) => name.startsWith('task-'))) {
    const result = await readDocument(logDir, task, '04-final-result.json');
    if (result?.status !== 'completed') continue;
    const input = await readDocument(logDir, task, '01-input.json');
    const message = String(input?.message);
    runs.set(message, (runs.get(message) ?? 0) + 1);
  }
  return runs;
}

async function openCount(service: ServiceProcess): Promise<number> {
  let count = 0;
  for (const status of ['queued', 'running']) {
    const response = await fetch(`${service.url}/api/tasks?status=${status}`);
    count += ((await response.json()) as { readonly items: readonly unknown[] }).items.length;
  }
  return count;
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'a comment that is delivered again after %s and a restart starts nothing, and its line names the first task',
  async (signal) => {
    const fleet = await Fleet.open();
    await fleet.configure({ agents: { quick: { command: ['sh', '-c', 'echo one'] } } });
    const first = await fleet.start('start', ENV);
    const all = comments();
    const started: (readonly string[])[] = [];
    for (const [once, again] of all) {
      const answer = await answerOf(await once(first.url));
      expect(answer.status).toBe(202);
      started.push(answer.taskIds);
      expect(await answerOf(await again(first.url))).toEqual({ status: 200, taskIds: answer.taskIds });
    }
    await first.stop(signal);
    const second = await fleet.start('start', ENV);
    for (const [index, sends] of all.entries()) {
      for (const send of sends) {
        expect(await answerOf(await send(second.url))).toEqual({ status: 200, taskIds: started[index] });
      }
    }
    const lines = await until(async () => {
      const found = await readDeliveries(fleet.logDir);
      return found.length === 12 ? found : undefined;
    }, 'every line');
    expect(lines.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(3);
    for (const { task_ids: ids, subject } of lines) {
      const first = lines.find((line) => line.outcome === 'accepted' && line.subject === subject);
      expect(ids).toEqual(first?.task_ids);
    }
    const listed = await fetch(`${second.url}/api/webhooks?outcome=duplicate`);
    const { items } = (await listed.json()) as { readonly items: readonly Record<string, unknown>[] };
    expect(items).toHaveLength(9);
    for (const { task_ids: ids, links } of items) {
      const [id] = ids as readonly string[];
      expect(links).toEqual({ tasks: { [String(id)]: `/api/tasks/${id}` } });
    }
    expect((await readdir(fleet.logDir)).filter((name) => name.startsWith('task-'))).toHaveLength(3);
  },
  60_000,
);

test('a record that another program sends does not make a comment known', async () => {
  const fleet = await Fleet.open();
  await fleet.configure({ agents: { quick: { command: ['sh', '-c', 'echo one'] } } });
  const first = await fleet.start('start', ENV);
  const id = 7;
  const attributes = [{ key: 'tasktrail.webhook.provider', value: { stringValue: 'github' } }];
  const text = (value: string): object => ({ stringValue: value });
  const list = (...values: object[]): object => ({ arrayValue: { values } });
  const fields = (values: Readonly<Record<string, object>>): object => ({
    kvlistValue: { values: Object.entries(values).map(([key, value]) => ({ key, value })) },
  });
  const forged = {
    eventName: 'tasktrail.webhook.delivery',
    timeUnixNano: `${Date.now()}000000`,
    attributes,
    body: fields({
      outcome: text('accepted'),
      subject: text('issue_comment acme/app 7'),
      subject_macs: fields({ review: text('0'.repeat(32)) }),
      task_ids: list(text('task-forged')),
      stages: list(
        fields({ stage: text('task_created'), command: text('review'), task_id: text('task-forged') }),
      ),
    }),
  };
  const sent = await fetch(`${first.otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [forged] }] }] }),
  });
  expect(sent.status).toBe(200);
  await until(async () => (await readDeliveries(fleet.logDir)).length === 1, 'the forged line');
  await first.stop();
  const second = await fleet.start('start', ENV);
  const answer = await deliver(second.url, comment(REVIEW, {}, id), { secret: SECRETS.new });
  expect(answer.status).toBe(202);
});

test('comments of which each delivery has another id run once, whenever the service is killed', {
  tags: ['long'],
  timeout: 300_000,
}, async () => {
  const fleet = await Fleet.open();
  await fleet.configure({ agents: { quick: { command: ['sh', '-c', 'echo one'] } } });
  const texts = new Map(Array.from({ length: 30 }, (_, id) => [id, `@agent review of ${id}`]));
  const open = new Map(texts);
  let last: ServiceProcess | undefined;
  for (const round of [0, 1, 2, 3, 4, 5]) {
    const service = await fleet.start('start', ENV);
    last = service;
    const sent = [...open].map(async ([id, text]) => {
      try {
        const response = await github(comment(text, {}, id))(service.url);
        if (response.ok) open.delete(id);
      } catch {
        // Killed before it was answered.
      }
    });
    if (round < 5) {
      await delay(30 + 40 * round);
      await service.dispose();
    }
    await Promise.all(sent);
  }
  expect([...open]).toEqual([]);
  const service = last as ServiceProcess;
  const runs = await until(
    async () => {
      if ((await openCount(service)) > 0) return undefined;
      const found = await runsOf(fleet.logDir);
      return found.size === 30 ? found : undefined;
    },
    'every task',
    60_000,
  );
  expect([...runs].filter(([, times]) => times !== 1)).toEqual([]);
});

describe.skipIf('missing' in program)('two services with one Redis', () => {
  /** The directory of each service is its own. */
  async function serve(fleet: Fleet, name: string): Promise<ServiceProcess> {
    return fleet.start('serve', { ...ENV, TASK_LOGS_DIR: `${fleet.cwd}/${name}` });
  }

  test('deliveries of one comment to both at the same time start one task, and both name it', async () => {
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { quick: { command: ['sh', '-c', 'echo one'] } } });
    const [one, two] = [await serve(fleet, 'one'), await serve(fleet, 'two')];
    for (let n = 0; n < 10; n += 1) {
      const answers = await Promise.all(
        comments().map(async ([first, second]) => {
          const both = await Promise.all([first(one.url), second(two.url), second(one.url), first(two.url)]);
          return Promise.all(both.map(answerOf));
        }),
      );
      for (const all of answers) {
        expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 200, 202]);
        expect(new Set(all.flatMap(({ taskIds }) => taskIds)).size).toBe(1);
      }
    }
    // Also after a restart of one that has lost its directory.
    const [[first, second] = []] = comments();
    const { taskIds } = await answerOf(await (first as Send)(one.url));
    await two.dispose();
    const three = await serve(fleet, 'three');
    expect(await answerOf(await (second as Send)(three.url))).toEqual({ status: 200, taskIds });
  }, 90_000);

  test('without Redis both answer 503, and afterwards the comment starts once', async () => {
    const fleet = await Fleet.open(program, { appendOnly: true });
    await fleet.configure({ agents: { quick: { command: ['sh', '-c', 'echo one'] } } });
    const services = [await serve(fleet, 'one'), await serve(fleet, 'two')];
    const [sends = []] = comments();
    await fleet.redis?.kill();
    for (const { url } of services) {
      for (const send of sends) expect((await send(url)).status).toBe(503);
    }
    await fleet.redis?.start();
    const accepted = await until(
      async () => {
        const all = await Promise.all(services.flatMap(({ url }) => sends.map((send) => send(url))));
        if (all.some(({ status }) => status === 503)) return undefined;
        return Promise.all(all.map(answerOf));
      },
      'both to accept',
      30_000,
    );
    expect(new Set(accepted.flatMap(({ taskIds }) => taskIds)).size).toBe(1);
  }, 90_000);

  test('a service that is killed while it starts tasks loses none, and none runs twice', async () => {
    const fleet = await Fleet.open(program);
    await fleet.configure({ agents: { quick: { command: ['sh', '-c', 'echo $TASK_LOGS_TASK_ID >> ran'] } } });
    // Holds the directory of all records; the other one is killed and started again.
    const holder = await fleet.start('serve', ENV);
    await fleet.start('worker', ENV);
    const texts = new Map(Array.from({ length: 24 }, (_, id) => [id, `@agent review of ${id}`]));
    const open = new Map(texts);
    for (const round of [0, 1, 2, 3]) {
      const other = await fleet.start('serve', {
        ...ENV,
        TASK_LOGS_DIR: `${fleet.cwd}/other`,
        TASK_LOGS_STORE: 'false',
        OTEL_EXPORTER_OTLP_ENDPOINT: holder.otlpUrl,
      });
      const sent = [...open].map(async ([id, text]) => {
        try {
          const response = await github(comment(text, {}, id))(other.url);
          if (response.ok) open.delete(id);
        } catch {
          // Killed before it was answered.
        }
      });
      await delay(20 + 40 * round);
      await other.dispose();
      await Promise.all(sent);
    }
    await until(
      async () => {
        const left = [...texts].map(async ([id, text]) => {
          const { status } = await github(comment(text, {}, id))(holder.url);
          return status !== 503;
        });
        return (await Promise.all(left)).every(Boolean);
      },
      'an answer for every comment',
      60_000,
    );
    // What the killed one has recorded arrives when it is started again.
    await fleet.start('serve', {
      ...ENV,
      TASK_LOGS_DIR: `${fleet.cwd}/other`,
      TASK_LOGS_STORE: 'false',
      OTEL_EXPORTER_OTLP_ENDPOINT: holder.otlpUrl,
    });
    const runs = await until(
      async () => {
        if ((await openCount(holder)) > 0) return undefined;
        const found = await runsOf(fleet.logDir);
        return found.size === 24 ? found : undefined;
      },
      'every task',
      60_000,
    );
    expect([...runs].filter(([, times]) => times !== 1)).toEqual([]);
    const ran = (await readFile(join(fleet.cwd, 'ran'), 'utf8')).trim().split('\n');
    expect(new Set(ran).size).toBe(24);
    expect(ran).toHaveLength(24);
  }, 180_000);
});
