import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WorkflowFact } from '../../src/project/change.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { documentOf, fact, foldOf, wholeRun, writeWorkflow } from '../support/workflow-files.ts';
import { ask, type Got, listen, tempDir } from './log-server.ts';

const ID = 'workflow-199-20261121T100000Z';

interface Page {
  readonly items: readonly { readonly workflow_id: string }[];
  readonly next_cursor: string | null;
}

interface Served {
  readonly port: number;
  /** The folder of November 2026. */
  readonly month: string;
}

async function serve(): Promise<Served> {
  const dir = await tempDir();
  return {
    port: await listen(serveLogs({ reader: createReader(dir) })),
    month: join(dir, '_workflow', '2026', '11'),
  };
}

async function list(port: number, query = ''): Promise<Page> {
  const got = await ask(port, `/workflows${query}`);
  expect(got.status, got.text).toBe(200);
  return JSON.parse(got.text) as Page;
}

function expectProblem(got: Got, status: number, code: string): void {
  expect(got.headers['content-type']).toBe('application/problem+json');
  expect(got.json()).toMatchObject({ status, code });
}

test('an ended workflow has its document, state, events and links', async () => {
  const { port, month } = await serve();
  const facts = [
    ...wholeRun(ID, { task_id: 'task-1' }),
    fact(ID, 5, { event_type: 'error', task_id: '../x' }),
  ];
  const document = documentOf(ID, facts, 3);
  const uploaded = { bucket: 'b', key: 'k', revision: 3, verified_at: '2026-11-21T10:01:00.000Z' };
  writeWorkflow(month, ID, { facts, document, uploaded });
  const got = await ask(port, `/workflows/${ID}`);
  expect(got.status).toBe(200);
  expect(got.json()).toEqual({
    ...foldOf(ID, facts).state,
    ...document,
    trace_id: foldOf(ID, facts).state.trace_id,
    waits_for: null,
    upload: { status: 'verified', url: 's3://b/k', revision: 3, verified_at: uploaded.verified_at },
    links: {
      self: `/workflows/${ID}`,
      events: `/workflows/${ID}/events`,
      tasks: { 'task-1': '/tasks/task-1' },
    },
  });
  expect(got.json()).toMatchObject({
    event_type: 'workflow_complete',
    status: 'success',
    work_item_id: '199',
  });
});

test('a running workflow has its events and no end, even if an earlier attempt ended', async () => {
  const { port, month } = await serve();
  const facts = wholeRun(ID);
  writeWorkflow(month, ID, { facts: facts.slice(0, 3) });
  const running = (await ask(port, `/workflows/${ID}`)).json();
  expect(running).toMatchObject({ status: 'running', phase: 'architect', step: 'generate-spec', attempt: 1 });
  expect(running.events).toHaveLength(3);
  for (const name of ['event_type', 'payload', 'revision', 'upload'])
    expect(running).not.toHaveProperty(name);
  const resumed = [...facts, fact(ID, 9, { event_type: 'workflow_resumed' })];
  writeWorkflow(month, ID, { facts: resumed, document: documentOf(ID, facts) });
  const again = (await ask(port, `/workflows/${ID}`)).json();
  expect(again).toMatchObject({ status: 'running', attempt: 2, completed_at: null });
  expect(again).not.toHaveProperty('event_type');
  expect(again.events).toHaveLength(8);
});

test('an event that came after the document was written is shown, and the document`s revision with it', async () => {
  const { port, month } = await serve();
  const facts = wholeRun(ID);
  const late = fact(ID, 3.5, { event_type: 'artifact_create', payload: { artifact: { type: 'log' } } });
  writeWorkflow(month, ID, { facts: [...facts, late], document: documentOf(ID, facts) });
  const shown = (await ask(port, `/workflows/${ID}`)).json();
  expect(shown).toMatchObject({ revision: 1, measured: { artifacts: 2 } });
  expect(shown.events).toHaveLength(8);
});

test('the events of a workflow are an ordered array, optionally of one type', async () => {
  const { port, month } = await serve();
  const facts = wholeRun(ID);
  writeWorkflow(month, ID, { facts: [...facts].reverse() });
  const all = await ask(port, `/workflows/${ID}/events`);
  expect(JSON.parse(all.text)).toEqual(foldOf(ID, facts).envelopes);
  const some = await ask(port, `/workflows/${ID}/events?type=step_start`);
  expect(JSON.parse(some.text)).toEqual([expect.objectContaining({ event_type: 'step_start' })]);
  const none = await ask(port, `/workflows/${ID}/events?type=error`);
  expect([none.status, none.text]).toEqual([200, '[]']);
  expectProblem(await ask(port, `/workflows/${ID}/events?type=step_begin`), 400, 'ERR_INPUT_INVALID');
  expectProblem(await ask(port, `/workflows/${ID}/events?typ=error`), 400, 'ERR_INPUT_INVALID');
});

test('links begin where the handler is mounted', async () => {
  const dir = await tempDir();
  const month = join(dir, '_workflow', '2026', '11');
  writeWorkflow(month, ID, { facts: [fact(ID, 0, { task_id: 'task-1' })] });
  const { default: express } = await import('express');
  const app = express();
  app.use('/api', serveLogs({ reader: createReader(dir) }));
  const port = await listen((req, res) => app(req, res));
  const links = {
    self: `/api/workflows/${ID}`,
    events: `/api/workflows/${ID}/events`,
    tasks: { 'task-1': '/api/tasks/task-1' },
  };
  expect((await ask(port, `/api/workflows/${ID}`)).json().links).toEqual(links);
  expect((await ask(port, '/api/workflows')).json().items).toEqual([expect.objectContaining({ links })]);
  expect((await ask(port, links.events)).status).toBe(200);
});

test('an unknown workflow is missing, and an id that could not be one is refused', async () => {
  const { port } = await serve();
  for (const path of ['', '/events']) {
    expectProblem(await ask(port, `/workflows/${ID}${path}`), 404, 'ERR_NOT_FOUND');
    for (const id of ['..%2fetc', '%2e%2e', '_feed', 'w.trace', 'x'.repeat(129)]) {
      expectProblem(await ask(port, `/workflows/${id}${path}`), 400, 'ERR_ID_INVALID');
    }
  }
  expectProblem(await ask(port, '/workflows', { method: 'POST' }), 405, 'ERR_METHOD_NOT_ALLOWED');
  expectProblem(await ask(port, '/events', { method: 'DELETE' }), 405, 'ERR_METHOD_NOT_ALLOWED');
});

test('an empty or missing directory is an empty list', async () => {
  const { port } = await serve();
  expect(await list(port)).toEqual({ items: [], next_cursor: null });
});

test('what waits for an approval or for input says for what, and since when', async () => {
  const { port, month } = await serve();
  const begun = wholeRun(ID).slice(0, 3);
  const request = { phase: 'architect', prompt: 'go on with build?' };
  const asked = fact(ID, 6, { event_type: 'approval_request', payload: request });
  const later = fact(ID, 7, { event_type: 'approval_request', payload: { prompt: 'and deploy?' } });
  const granted = fact(ID, 8, { event_type: 'approval_granted', payload: request });
  const waits = async (facts: readonly WorkflowFact[]): Promise<unknown> => {
    writeWorkflow(month, ID, { facts });
    const { waits_for: found } = (await ask(port, `/workflows/${ID}`)).json();
    expect((await list(port)).items).toMatchObject([{ waits_for: found }]);
    return found;
  };
  expect(await waits(begun)).toBeNull();
  expect(await waits([...begun, asked, later])).toEqual({
    kind: 'approval',
    name: 'go on with build?',
    since: asked.timestamp,
  });
  expect(await waits([...begun, asked, later, granted])).toMatchObject({ name: 'and deploy?' });
  const paused = fact(ID, 6, {
    event_type: 'step_complete',
    payload: { phase: 'architect', step: { name: 'generate-spec', status: 'pending_input' } },
  });
  expect(await waits([...begun, paused])).toEqual({
    kind: 'input',
    name: 'generate-spec',
    since: paused.timestamp,
  });
});

test('an item of the list has the state of a workflow without its phases and steps', async () => {
  const { port, month } = await serve();
  writeWorkflow(month, ID, { facts: wholeRun(ID) });
  const { levels: _levels, ...state } = foldOf(ID, wholeRun(ID)).state;
  const links = { self: `/workflows/${ID}`, events: `/workflows/${ID}/events`, tasks: {} };
  expect((await list(port)).items).toEqual([{ ...state, waits_for: null, links }]);
});

test('90 workflows, many of one moment, are paged newest first without a repeat or a gap', {
  tags: 'full',
}, async () => {
  const { port, month } = await serve();
  const ids = Array.from({ length: 90 }, (_, n) => `w-${String(n).padStart(3, '0')}`);
  for (const [n, id] of ids.entries()) {
    writeWorkflow(month, id, { facts: [fact(id, Math.floor(n / 30))] });
  }
  const expected = [...ids].reverse();
  expect((await list(port)).items).toHaveLength(50);
  for (const limit of [1, 7, 30, 89, 90, 91]) {
    const seen: string[] = [];
    let after = '';
    for (;;) {
      const page: Page = await list(port, `?limit=${limit}${after}`);
      expect(page.items.length).toBeLessThanOrEqual(limit);
      seen.push(...page.items.map((item) => item.workflow_id));
      if (page.next_cursor === null) break;
      after = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
    expect(seen, `limit ${limit}`).toEqual(expected);
  }
});

test.each([
  ['work_item_id=7', [3, 1]],
  ['work_item_id=199', [4, 2, 0]],
  ['status=running', [4, 3]],
  ['status=success', [2, 1, 0]],
  ['project=shop', [2, 1, 0]],
  ['environment=production', [4]],
  ['project=shop&work_item_id=7', [1]],
  ['status=cancelled', []],
  ['since=2026-11-21T10:10:20Z', [4, 3, 2]],
  ['until=2026-11-21T10:10:20Z', [1, 0]],
  ['since=2026-11-21T11:10:10%2B01:00&until=2026-11-21T10:10:30Z&limit=5', [2, 1]],
  ['since=2026-11-22', []],
])('the filter %s gives exactly its workflows', async (query, expected) => {
  const { port, month } = await serve();
  for (let n = 0; n < 5; n += 1) {
    const start = fact(`w-${n}`, 600 + n * 10, {
      project: n < 3 ? 'shop' : 'bank',
      environment: n === 4 ? 'production' : 'test',
      work_item_id: n % 2 === 0 ? '199' : '7',
    });
    const end = fact(`w-${n}`, 700 + n, { event_type: 'workflow_complete', payload: { status: 'success' } });
    writeWorkflow(month, `w-${n}`, { facts: n < 3 ? [start, end] : [start] });
  }
  const { items } = await list(port, `?${query}`);
  expect(items.map((item) => item.workflow_id)).toEqual(expected.map((n) => `w-${n}`));
});

test.each([
  ['limit=0', 'limit'],
  ['limit=501', 'limit'],
  ['status=', 'status'],
  ['since=yesterday', 'since'],
  ['until=2026-11-21T10:00:00', 'until'],
  ['cursor=abc', 'cursor'],
  ['workitem=7', 'workitem'],
  ['project=a&project=b', 'project'],
])('the query %s is refused by name', async (query, named) => {
  const { port } = await serve();
  const got = await ask(port, `/workflows?${query}`);
  expectProblem(got, 400, 'ERR_INPUT_INVALID');
  expect(got.json().detail).toContain(named);
});
