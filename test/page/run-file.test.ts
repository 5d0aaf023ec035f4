import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'parse5';
import { expect, test } from 'vitest';
import { runFile } from '../../src/page/run-file/run-file.ts';
import { POLICY, STYLE } from '../../src/page/run-file/style.ts';
import { servePage } from '../../src/page/serve-page.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { ask, listen, tempDir, writeTask } from '../serve/log-server.ts';
import { cookieOf, loginRequest, TOKEN } from './page-server.ts';

const HOSTILE =
  '</title></style></pre><script>alert(1)</script><img src=x onerror=alert(2)> \u202Egnp \u001b[31mred\u001b[0m \u001b]8;;http://evil\u0007link "quoted" \'x\' &amp;';

function line(fields: object): string {
  return `${JSON.stringify({ timestamp: '2026-01-02T03:04:05.000Z', ...fields })}\n`;
}

function span(id: string, parent: string | null, name: string): string {
  const of = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: id.padStart(16, '0'),
    ...(parent !== null && { parentSpanId: parent.padStart(16, '0') }),
    name,
    kind: 1,
    startTimeUnixNano: `176732304${id}000000000`,
    endTimeUnixNano: `176732304${id}500000000`,
    attributes: [],
  };
  const scopeSpans = [{ scope: { name: 'test' }, spans: [of] }];
  return `${JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans }] })}\n`;
}

async function hostileTask(): Promise<string> {
  const dir = await tempDir();
  const task = writeTask(dir, 'task-1', {
    metadata: {
      task_id: 'task-1',
      status: 'failed',
      assigned_agent: HOSTILE,
      created_at: '2026-01-02T03:04:05.000Z',
    },
    input: { message: HOSTILE, repo: HOSTILE },
    webhookFlow: line({ stage: HOSTILE, reason: HOSTILE, [HOSTILE]: { deep: HOSTILE } }),
    agentOutput:
      line({ type: 'output', content: HOSTILE }) +
      line({ type: HOSTILE, content: { a: HOSTILE } }) +
      line({ type: 'tool_call', tool_name: HOSTILE, tool_input: { command: HOSTILE } }) +
      line({ type: 'tool_result', is_error: true, content: HOSTILE.repeat(100), sender: HOSTILE }) +
      line({ type: 'thinking', content: HOSTILE }),
    result: { success: false, error: HOSTILE, result: HOSTILE, metrics: { cost_usd: HOSTILE } },
  });
  const files = { [HOSTILE]: { lines: HOSTILE, bytes: 2, sha256: HOSTILE } };
  writeFileSync(
    join(task, 'manifest.json'),
    `${JSON.stringify({ schema_version: 1, task_id: 'task-1', files })}\n`,
  );
  appendFileSync(
    join(task, 'trace.jsonl'),
    span('2', '1', HOSTILE) + span('1', null, 'process task') + span('3', '3', 'itself'),
  );
  return dir;
}

async function textOf(dir: string, id = 'task-1'): Promise<string> {
  let text = '';
  for await (const piece of (await runFile(createReader(dir), id)) ?? []) text += piece;
  return text;
}

interface Node {
  readonly nodeName: string;
  readonly attrs?: readonly { readonly name: string; readonly value: string }[];
  readonly childNodes?: readonly Node[];
  readonly value?: string;
}

function allOf(node: Node): readonly Node[] {
  return [node, ...(node.childNodes ?? []).flatMap(allOf)];
}

test('what is recorded is text wherever it stands', async () => {
  const text = await textOf(await hostileTask());
  const nodes = allOf(parse(text) as unknown as Node);
  const names = new Set(nodes.map(({ nodeName }) => nodeName));
  for (const name of ['script', 'img', 'iframe', 'a', 'form', 'link', 'svg'])
    expect(names).not.toContain(name);
  const attributes = new Set(nodes.flatMap(({ attrs = [] }) => attrs.map(({ name }) => name)));
  expect([...attributes].sort()).toEqual([
    'charset',
    'class',
    'content',
    'http-equiv',
    'lang',
    'name',
    'tabindex',
  ]);
  const classes = new Set(
    nodes.flatMap(({ attrs = [] }) => attrs.filter(({ name }) => name === 'class').map(({ value }) => value)),
  );
  expect([...classes].join(' ')).toMatch(/^[\w ]+$/);
  expect(nodes.filter(({ nodeName }) => nodeName === 'style')).toHaveLength(1);
  const shown = nodes.map(({ nodeName, value }) => (nodeName === '#text' ? value : '')).join('');
  expect(shown).toContain(
    '</title></style></pre><script>alert(1)</script><img src=x onerror=alert(2)> [U+202E]gnp red link "quoted"',
  );
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
});

test('it loads nothing, and its policy allows its own style alone', async () => {
  const text = await textOf(await hostileTask());
  const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? '';
  expect(style).toBe(STYLE);
  expect(POLICY).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
  expect(text).toContain(`content="${POLICY.replaceAll("'", '&#39;')}"`);
  expect(text.replace(style, '')).not.toMatch(/\s(?:src|href|style|on\w+)="/);
});

test('it has the stages, the spans under their parents, the lines, the result and the hash of the manifest', async () => {
  const dir = await hostileTask();
  const text = await textOf(dir);
  for (const heading of ['Webhook', 'Timeline', 'Transcript', 'Result', 'Check'])
    expect(text).toContain(`<h2>${heading}</h2>`);
  const rows = [...text.matchAll(/<tr><td>(\u2003*)([^<]*)/g)].map(([, indent = '', name = '']) => [
    indent.length,
    name.slice(0, 12),
  ]);
  expect(rows).toContainEqual([0, 'process task']);
  expect(rows).toContainEqual([1, '&lt;/title&g']);
  expect(rows).toContainEqual([0, 'itself']);
  const manifest = readFileSync(join(dir, 'task-1', 'manifest.json'));
  expect(text).toContain(createHash('sha256').update(manifest).digest('hex'));
  expect(text.match(/<article /g)).toHaveLength(5);
});

test('a run that has only begun, or is damaged, is shown as far as it goes', async () => {
  const dir = await tempDir();
  writeTask(dir, 'task-1', { metadata: { task_id: 'task-1', status: 'running' }, input: '{', result: '[1]' });
  const text = await textOf(dir);
  expect(text).toContain('no result yet');
  expect(text).toContain('no manifest yet');
  expect(text.trimEnd().endsWith('</html>')).toBe(true);
  expect(await runFile(createReader(dir), 'task-2')).toBeUndefined();
});

test('a long run ends with what was left out', async () => {
  const dir = await tempDir();
  const task = writeTask(dir, 'task-1', {
    metadata: { task_id: 'task-1', status: 'completed' },
    agentOutput: '',
  });
  const lines = Array.from({ length: 20_005 }, (_, index) =>
    line({ type: 'output', content: `line ${index}` }),
  );
  appendFileSync(join(task, '03-agent-output.jsonl'), lines.join(''));
  const text = await textOf(dir);
  expect(text).toContain('line 19999<');
  expect(text).not.toContain('line 20000<');
  expect(text).toContain('5 more lines are in 03-agent-output.jsonl');
  writeTask(dir, 'task-2', {
    metadata: { task_id: 'task-2' },
    agentOutput: line({ type: 'output', content: 'x'.repeat(150_000) }),
  });
  expect(await textOf(dir, 'task-2')).toContain('50000 more characters');
});

test('over HTTP it needs the token or the login, and is a file', async () => {
  const port = await listen(servePage({ token: TOKEN, reader: createReader(await hostileTask()) }));
  expect((await ask(port, '/tasks/task-1/export')).status).toBe(401);
  const { headers } = await ask(port, '/login', loginRequest(TOKEN));
  const cookie = cookieOf({ headers } as never);
  for (const credentials of [{ cookie }, { authorization: `Bearer ${TOKEN}` }]) {
    const got = await ask(port, '/tasks/task-1/export', { headers: credentials });
    expect([got.status, got.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(got.headers['content-disposition']).toBe('attachment; filename="task-1.html"');
    expect(got.headers['content-security-policy']).toContain('sandbox');
  }
  const head = await ask(port, '/tasks/task-1/export', { method: 'HEAD', headers: { cookie } });
  expect([head.status, head.text]).toEqual([200, '']);
  for (const [path, status] of [
    ['/tasks/none/export', 404],
    ['/tasks/..%2f..%2fetc/export', 400],
    ['/tasks/task-1/export?x=1', 400],
  ] as const)
    expect([path, (await ask(port, path, { headers: { cookie } })).status]).toEqual([path, status]);
  expect((await ask(port, '/tasks/task-1')).status).toBe(200);
});

test('without a reader there is no such path', async () => {
  expect((await ask(await listen(servePage()), '/tasks/task-1/export')).status).toBe(404);
});

test('strings of a terminal hide no text, and values that have no text break nothing', async () => {
  const dir = await tempDir();
  // `String` throws for it.
  const none = { toString: 1 };
  writeTask(dir, 'task-1', {
    metadata: { task_id: 'task-1', status: none },
    agentOutput:
      line({ type: 'output', content: 'a\u001b]0;without an end\nb' }) +
      line({ type: 'output', content: `c\u001b]0;${'long '.repeat(60)}\u0007d` }) +
      line({ type: none, content: none }),
  });
  let text = '';
  for await (const piece of (await runFile(createReader(dir), 'task-1')) ?? []) text += piece;
  expect(text).toContain('a[U+001B]]0;without an end\nb');
  expect(text).toContain('c[305 hidden]d');
  expect(text.endsWith('</html>\n')).toBe(true);
});
