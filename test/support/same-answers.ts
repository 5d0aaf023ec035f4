import { expect } from 'vitest';
import { ask, type Got } from '../serve/log-server.ts';
import { SseClient } from './sse.ts';
import type { TwoStores } from './two-stores.ts';
import { until } from './until.ts';

/** All answers about a task. */
export async function expectSameTask(stores: Pick<TwoStores, 'get'>, id: string): Promise<void> {
  const task = `/tasks/${id}`;
  const flows = ['webhook-flow', 'agent-output'].map((flow) => `${task}/logs/${flow}`);
  const ids = [];
  for (const flow of flows) {
    const [{ text }] = await stores.get(flow);
    for (const line of JSON.parse(text) as { event_id: string }[]) ids.push(line.event_id);
  }
  const windows = [
    '?limit=2',
    '?tail=3',
    '?tail=1000',
    '?after=@0&limit=2',
    '?before=@2',
    '?after=nothing',
    '?before=@999',
  ];
  for (const one of ids) windows.push(`?after=${one}&limit=2`, `?before=${one}&limit=2`, `?before=${one}`);
  for (const paths of [
    [task, `${task}/trace`, `${task}/logs/full`],
    ['metadata', 'input', 'final-result'].map((name) => `${task}/logs/${name}`),
    flows.flatMap((flow) => [flow, ...windows.map((window) => flow + window)]),
  ])
    for (const path of paths) await expectSame(stores, path);
}

const LISTS = [
  '/tasks',
  '/tasks?limit=1',
  '/tasks?status=completed',
  '/tasks?q=review',
  '/tasks?q=tool:Read%20status:completed',
  '/tasks?q=%22looks%20good%22',
  '/tasks?sort=cost',
  '/tasks?workflow_id=nothing',
  '/tasks?since=2026-01-02T03:04:06Z',
  '/tasks?cursor=nonsense',
  '/tasks?status=nonsense',
  '/stats',
  '/stats?group_by=status',
  '/stats?group_by=tool',
  '/stats?group_by=workflow,phase',
  '/workflows',
  '/workflows?status=success',
  '/workflows?status=nonsense',
  '/workflows?task_id=task-1',
  '/workflows/workflow-42-20260102T030405Z-ab12',
  '/workflows/unknown',
  '/webhooks',
  '/webhooks?limit=1',
  '/webhooks?outcome=accepted',
  '/webhooks?q=issue_comment',
  '/webhooks?since=2026-01-03',
  '/tasks/unknown',
  '/tasks/unknown/trace',
  '/tasks/unknown/logs/full',
  '/tasks/unknown/logs/agent-output',
  '/tasks/unknown/logs/agent-output?tail=1',
  '/tasks/_webhooks/logs/full',
  '/tasks/%22%20or%20%2A/logs/full',
];

/** Lists, counts, and what is missing. */
export async function expectSameLists(stores: Pick<TwoStores, 'get'>): Promise<void> {
  for (const path of LISTS) await expectSame(stores, path);
}

/** One answer, byte for byte. */
export async function expectSame(stores: Pick<TwoStores, 'get'>, path: string): Promise<void> {
  const [files, rows] = await stores.get(path);
  expect(shown(path, rows)).toEqual(shown(path, files));
}

/** The events of a stream until it ends, or until it has been quiet, without their ids: places are each store's own. */
export async function expectSameEvents(stores: Pick<TwoStores, 'ports'>, path: string): Promise<void> {
  const [files, rows] = await Promise.all(stores.ports.map((port) => eventsOf(port, path)));
  expect(rows).toEqual(files);
}

const QUIET_MS = 1_500;

async function eventsOf(port: number, path: string): Promise<unknown> {
  const client = await SseClient.open(port, path);
  let seen = -1;
  while (!client.isEnded && seen !== client.text.length) {
    seen = client.text.length;
    await until(() => client.isEnded, 'the end of the stream', QUIET_MS).catch(() => undefined);
  }
  client.close();
  return {
    ...{ path, status: client.status, type: client.headers['content-type'], isEnded: client.isEnded },
    sent: client.sent.map(({ event, data, id }) => ({ event, data, hasId: id !== undefined })),
  };
}

/** The pages of a feed to its end. */
export async function expectSameFeed(stores: TwoStores, path: string): Promise<void> {
  const [files, rows] = await Promise.all(stores.ports.map((port) => feedOf(port, path)));
  expect(rows).toEqual(files);
}

async function feedOf(port: number, path: string): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  for (let after = ''; ; ) {
    const { status, json } = await ask(port, after === '' ? path : `${path}&after=${after}`);
    expect(status).toBe(200);
    const page = json() as { items: unknown[]; next_cursor: string };
    items.push(...page.items);
    if (page.next_cursor === after) return items;
    after = page.next_cursor;
  }
}

const HEADERS = /^(?:content-type|content-length|link|task-logs-.*|cache-control)$/;

function shown(path: string, { status, headers, text }: Got): unknown {
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => HEADERS.test(name)));
  // Seconds since a moment: the clocks of the two differ.
  const aged = text.replace(/("(?:heartbeat|last_line)_age_seconds"):[\d.]+/g, '$1:0');
  if (/_age_seconds":[\d.]/.test(text)) kept['content-length'] = 'of an age';
  return { path, status, headers: kept, text: aged };
}
