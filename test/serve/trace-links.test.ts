import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ATTR } from '../../src/model/attributes.ts';
import { servePage } from '../../src/page/serve-page.ts';
import { serveLogs } from '../../src/serve/logs.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { foldOf, wholeRun, writeWorkflow } from '../support/workflow-files.ts';
import { ask, listen, tempDir, writeTask } from './log-server.ts';

const ID = 'workflow-199-20261121T100000Z';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const URLS = [
  'http://jaeger.test/trace/{trace_id}',
  'http://x.test/{workflow_id}/{task_id}?trace={trace_id}',
];

interface Linked {
  readonly links: Readonly<Record<string, unknown>>;
}

/** A task and a workflow, served with these templates. */
async function serve(traceUrls?: readonly string[]): Promise<number> {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1', trace_id: TRACE, workflow_ids: [ID] } });
  writeTask(dir, 'task-2', { metadata: { task_id: 'task-2', trace_id: null } });
  writeWorkflow(join(dir, '_workflow', '2026', '11'), ID, { facts: wholeRun(ID, { task_id: 'task-1' }) });
  return listen(serveLogs({ reader: createReader(dir), traceUrls }));
}

async function linksOf(port: number, path: string): Promise<Readonly<Record<string, unknown>>> {
  const got = await ask(port, path);
  expect(got.status, got.text).toBe(200);
  return (JSON.parse(got.text) as Linked).links;
}

test('a task links to its trace in each configured viewer', async () => {
  const links = await linksOf(await serve(URLS), '/tasks/task-1');
  expect(links).toMatchObject({
    full: '/tasks/task-1/logs/full',
    trace: `http://jaeger.test/trace/${TRACE}`,
    traces: [`http://jaeger.test/trace/${TRACE}`, `http://x.test/${ID}/task-1?trace=${TRACE}`],
    workflows: { [ID]: `/workflows/${ID}` },
  });
});

test('without a trace or templates a task has only the other links', async () => {
  const port = await serve(URLS);
  for (const links of [await linksOf(port, '/tasks/task-2'), await linksOf(await serve(), '/tasks/task-1')]) {
    expect(links).toHaveProperty('full');
    expect(links).not.toHaveProperty('trace');
    expect(links).not.toHaveProperty('traces');
  }
});

test('a workflow links to its trace, alone and in the list', async () => {
  const port = await serve(URLS);
  const trace = foldOf(ID, wholeRun(ID, { task_id: 'task-1' })).state.trace_id;
  const expected = {
    self: `/workflows/${ID}`,
    trace: `http://jaeger.test/trace/${trace}`,
    traces: [`http://jaeger.test/trace/${trace}`, `http://x.test/${ID}/task-1?trace=${trace}`],
  };
  expect(await linksOf(port, `/workflows/${ID}`)).toMatchObject(expected);
  const { items } = (await ask(port, '/workflows')).json() as { items: readonly Linked[] };
  expect(items.map(({ links }) => links)).toMatchObject([expected]);
});

test("the links that Jaeger's UI puts on our attributes are answered", async () => {
  const path = resolve(import.meta.dirname, '../../collector/jaeger-ui.json');
  const { linkPatterns } = JSON.parse(readFileSync(path, 'utf8')) as {
    linkPatterns: readonly { type: string; key: string; url: string; text: string }[];
  };
  const [port, page] = [await serve(), await listen(servePage())];
  const values = new Map<string, string>([
    [ATTR.taskId, 'task-1'],
    [ATTR.workflowId, ID],
  ]);
  expect(linkPatterns.map(({ key }) => key)).toEqual(expect.arrayContaining([...values.keys()]));
  for (const { type, key, url, text } of linkPatterns) {
    expect([type, values.has(key)]).toEqual(['tags', true]);
    expect(text).not.toBe('');
    // As the UI does it: the name of an attribute between `#{` and `}`.
    const link = new URL(url.replaceAll(/#\{([^}]+)\}/g, (_, name: string) => values.get(name) ?? 'unknown'));
    const isOfApi = link.pathname.startsWith('/api/');
    const got = await ask(isOfApi ? port : page, link.pathname.replace(/^\/api/, ''));
    expect(got.status, link.href).toBe(200);
  }
});
