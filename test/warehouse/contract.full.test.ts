import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GOLDEN_CASES } from '../store/golden-cases.ts';
import type { Got } from '../serve/log-server.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../support/victoria-logs.ts';
import { twoStores, type TwoStores } from './two-stores.ts';

const tool = findVictoriaLogs();

/** More than a task takes to settle. */
const SETTLED_MS = 15_000;

describe.skipIf('missing' in tool)('REST over VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test.each(GOLDEN_CASES)('answers as over files: %s', async (_, batches) => {
    const stores = await twoStores(server);
    for (const batch of batches()) await stores.ingest(batch);
    await stores.pass(SETTLED_MS);
    await expectSameTask(stores, 'task-1');
  });
});

async function expectSameTask(stores: TwoStores, id: string): Promise<void> {
  const task = `/tasks/${id}`;
  const flows = ['webhook-flow', 'agent-output'].map((flow) => `${task}/logs/${flow}`);
  const ids = [];
  for (const flow of flows) {
    const [{ text }] = await stores.get(flow);
    for (const line of JSON.parse(text) as { event_id: string }[]) ids.push(line.event_id);
  }
  const windows = ['?limit=2', '?tail=3', '?tail=1000', '?after=@0&limit=2', '?before=@2', '?after=nothing', '?before=@999'];
  for (const one of ids) windows.push(`?after=${one}&limit=2`, `?before=${one}&limit=2`, `?before=${one}`);
  for (const paths of [
    [task, `${task}/trace`, `${task}/logs/full`],
    ['metadata', 'input', 'final-result'].map((name) => `${task}/logs/${name}`),
    flows.flatMap((flow) => [flow, ...windows.map((window) => flow + window)]),
  ])
    for (const path of paths) await expectSame(stores, path);
}

async function expectSame(stores: TwoStores, path: string): Promise<void> {
  const [files, rows] = await stores.get(path);
  expect(shown(path, rows)).toEqual(shown(path, files));
}

const HEADERS = /^(?:content-type|content-length|link|task-logs-.*|cache-control)$/;

function shown(path: string, { status, headers, text }: Got): unknown {
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => HEADERS.test(name)));
  return { path, status, headers: kept, text };
}
