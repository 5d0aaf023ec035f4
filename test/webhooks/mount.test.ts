import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express5, { type RequestHandler } from 'express';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { receiveWebhooks, type WebhookTask } from '../../src/express.ts';
import { recordDelivery } from '../../src/record/delivery.ts';
import type { Trail } from '../../src/trail/trail.ts';
import { type Listening, listen, openTrail, readDeliveries, readLines } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { ALL_OPTIONS, post, say, VENDOR, VENDORS } from '../support/vendors.ts';

/** The common part of both majors. Express 4 has no types. */
interface Express {
  (): App;
  json(options?: object): RequestHandler;
  raw(options?: object): RequestHandler;
  urlencoded(options?: object): RequestHandler;
}
type App = RequestListener & {
  use(...parts: unknown[]): unknown;
  post(
    path: string,
    handler: (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => unknown,
  ): unknown;
};

const express4 = createRequire(import.meta.url)('express-4') as Express;
const MAJORS: readonly (readonly [string, Express])[] = [
  ['Express 4', express4],
  ['Express 5', express5 as unknown as Express],
];

let logDir: string;
let trail: Trail;
let at: Listening | undefined;
let tasks: WebhookTask[] = [];

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-mount-'));
  trail = await openTrail(logDir);
});

afterEach(async () => {
  await at?.close();
});

afterAll(async () => {
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

function webhooks(): ReturnType<typeof receiveWebhooks> {
  tasks = [];
  return receiveWebhooks({
    ...ALL_OPTIONS,
    onTask: (task) => task.enqueue({ queue: 'agent', system: 'test' }, async () => tasks.push(task)),
  });
}

async function serve(app: RequestListener): Promise<string> {
  at = await listen(app);
  return at.url;
}

async function lineOf(id: string): Promise<Record<string, unknown>> {
  return until(async () => (await readDeliveries(logDir)).find(({ delivery_id }) => delivery_id === id), id);
}

test('the handler fits the types of Express', () => {
  const app = express5();
  // Express 4 declares its handlers in the same way.
  const handler: RequestHandler = webhooks();
  app.use('/webhooks', webhooks());
  app.use(webhooks(), handler);
});

describe.each(MAJORS)('%s', (_name, express) => {
  test.each(VENDORS)('$name is received below its mount path, and other requests go on', async (vendor) => {
    const app = express();
    app.use('/webhooks', webhooks());
    app.use(express.json());
    app.post('/webhooks/mine', (req, res) => res.end(JSON.stringify(Reflect.get(req, 'body'))));
    const url = await serve(app);
    const id = randomUUID();
    expect((await say(url, vendor, '@agent review and @agent plan', id)).status).toBe(202);
    expect(tasks.map(({ command }) => command)).toEqual(['review', 'plan']);
    expect(await lineOf(id)).toMatchObject({ provider: vendor.name, outcome: 'accepted' });
    expect((await say(url, vendor, '@agent review', id)).status).toBe(200);
    const mine = await post(url, 'mine', {
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    expect(await mine.json()).toEqual({ a: 1 });
    expect((await post(url, 'nobody', { headers: {}, body: '' })).status).toBe(404);
    expect((await fetch(`${url}/webhooks/${vendor.name}`)).status).toBe(405);
  });

  test('after a parser that keeps the bytes it works; after another one the answer says what to do', async () => {
    const keep = (req: IncomingMessage, _res: ServerResponse, rawBody: Buffer): void => {
      Object.assign(req, { rawBody });
    };
    for (const [parser, status] of [
      [express.raw({ type: '*/*' }), 202],
      [express.json({ verify: keep }), 202],
      [express.json(), 503],
    ] as const) {
      const app = express();
      app.use(parser);
      app.use('/webhooks', webhooks());
      const url = await serve(app);
      const response = await say(url, VENDOR.github, '@agent review');
      expect(response.status).toBe(status);
      if (status === 503)
        expect(await response.text()).toMatch(/ERR_NOT_CONFIGURED.*|.*before express\.json\(\)/);
      await at?.close();
    }
  });

  test("recordDelivery records a user's own handler, with its stages and several tasks", async () => {
    const app = express();
    app.use(express.json());
    app.post('/hooks/:team', async (req, res, next) => {
      try {
        await recordDelivery(req, async (delivery) => {
          delivery.stage('received', { size: 7 });
          delivery.stage('validation', { status: 'passed' });
          for (const message of ['one', 'two']) {
            const task = delivery.task({ source: 'webhook', message });
            await task.enqueue({ queue: 'mine', system: 'test' }, async () => undefined);
          }
          res.statusCode = 202;
          res.end(JSON.stringify(delivery.taskIds));
        });
      } catch (error) {
        next(error);
      }
    });
    const url = await serve(app);
    const id = randomUUID();
    const response = await fetch(`${url}/hooks/red?token=hidden`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': id },
      body: '{}',
    });
    const taskIds = (await response.json()) as string[];
    expect(taskIds).toHaveLength(2);
    const line = await lineOf(id);
    expect(line).toMatchObject({
      provider: 'github',
      event_type: 'push',
      outcome: 'accepted',
      task_ids: taskIds,
    });
    expect(JSON.stringify(line)).not.toContain('hidden');
    for (const taskId of taskIds) {
      const stages = await until(async () => {
        const found = await readLines(join(logDir, taskId, '02-webhook-flow.jsonl'));
        return found.length >= 4 ? found : undefined;
      }, 'its stages');
      expect(stages.map(({ stage }) => stage)).toEqual([
        'received',
        'validation',
        'task_created',
        'queue_push',
      ]);
    }
  });

  test("recordDelivery records a refusal by the user's handler, and rethrows its error", async () => {
    const boom = new RangeError('boom');
    const seen: unknown[] = [];
    const app = express();
    app.post('/hooks/ci', (req, res) => {
      void recordDelivery(req, (delivery) => {
        delivery.describe({ deliveryId: String(req.headers['x-id']) });
        delivery.stage('validation', { status: 'failed', reason: 'wrong_signature' });
        if (req.headers['x-throw'] !== undefined) throw boom;
        delivery.outcome('rejected', 'wrong_signature');
      })
        .catch((error: unknown) => seen.push(error))
        .finally(() => res.end());
    });
    const url = await serve(app);
    const [refused, thrown] = [randomUUID(), randomUUID()];
    await fetch(`${url}/hooks/ci`, { method: 'POST', headers: { 'x-id': refused } });
    await fetch(`${url}/hooks/ci`, { method: 'POST', headers: { 'x-id': thrown, 'x-throw': '1' } });
    expect(seen).toEqual([boom]);
    expect(await lineOf(refused)).toMatchObject({
      provider: 'ci',
      outcome: 'rejected',
      reason: 'wrong_signature',
    });
    expect(await lineOf(thrown)).toMatchObject({ provider: 'ci', outcome: 'rejected', reason: 'boom' });
  });
});

test('a delivery is recognized after a restart', async () => {
  const id = randomUUID();
  const url = await serve(nested(webhooks()));
  expect((await say(url, VENDOR.jira, '@agent review', id)).status).toBe(202);
  const [first] = tasks;
  await at?.close();
  await trail.shutdown();
  trail = await openTrail(logDir);
  const again = await serve(nested(webhooks()));
  const response = await say(again, VENDOR.jira, '@agent review', id);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: 'duplicate', task_ids: [first?.id] });
  expect(tasks).toEqual([]);
});

/** As a Node server without a framework uses it. */
function nested(handler: ReturnType<typeof receiveWebhooks>): RequestListener {
  return (req, res) => {
    req.url = (req.url ?? '').replace('/webhooks', '');
    handler(req, res);
  };
}
