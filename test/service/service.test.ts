import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readVersion } from '../../src/system/version.ts';
import { comment, deliver, SECRET } from '../support/deliveries.ts';
import { attribute, readLines, readSpans, type StoredSpan } from '../support/receiver.ts';
import { rotated } from '../support/rotated.ts';
import { firstTaskId, readDocument, resultOf, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let logDir: string;
let service: ServiceProcess;

/** Programs that end in each way that a program can. */
const AGENTS: Readonly<Record<string, readonly string[]>> = {
  echo: ['sh', '-c', 'cat; echo; env'],
  missing: ['/no/such/program'],
  fails: ['sh', '-c', 'echo before; echo why >&2; exit 1'],
  killed: ['sh', '-c', 'kill -9 $$'],
  huge: ['node', '-e', "process.stdout.write('x'.repeat(10_000_000) + '\\n')"],
  bytes: ['sh', '-c', "printf 'a\\377b\\n'"],
  endless: ['sh', '-c', "printf 'no newline'"],
  slow: ['sleep', '60'],
};

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-service-'));
  logDir = join(cwd, 'logs');
  const agents = Object.fromEntries(
    Object.entries(AGENTS).map(([name, command]) => [
      name,
      { command, ...(name === 'slow' && { timeout_seconds: 0.3 }) },
    ]),
  );
  const commands = { review: { agent: 'sample-agent', phases: [{ name: 'build', steps: ['one', 'two'] }] } };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents, commands }));
  service = await ServiceProcess.start({ cwd, env: { TASK_LOGS_CONCURRENCY: '4' } });
});

afterAll(async () => {
  await service.dispose();
  await rm(cwd, { recursive: true, force: true });
});

test('the directory was new, so that no task is ever taken over from records', async () => {
  const [mark] = await readLines(join(logDir, '_queue', '_opened.json'));
  expect(mark).toMatchObject({ from_records: false });
});

async function run(
  agent: string,
  message = 'hello',
): Promise<{ id: string; result: Record<string, unknown> }> {
  const response = await service.submit({ message, agent });
  expect(response.status).toBe(202);
  const id = firstTaskId(await response.json());
  return { id, result: await resultOf(logDir, id) };
}

async function outputOf(id: string): Promise<string> {
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  return lines
    .filter(({ type }) => type === 'output')
    .map(({ content }) => content)
    .join('');
}

const NESTING = [
  'POST ',
  'send ',
  'process ',
  'workflow ',
  'phase ',
  'step ',
  'invoke_agent ',
  'execute_tool ',
];

test('one delivery is one trace, from the POST down to each tool call', { tags: 'full' }, async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const response = await deliver(service.url, comment('@agent review'), { headers: { traceparent } });
  const id = firstTaskId(await response.json());
  expect(await resultOf(logDir, id)).toMatchObject({ success: true, status: 'completed' });
  const spans = await until(async () => {
    const found = await readSpans(logDir, id);
    return found.length === 21 ? found : undefined;
  }, '21 spans');
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const span of spans) {
    const depth = NESTING.findIndex((prefix) => span.name.startsWith(prefix));
    expect(depth, span.name).toBeGreaterThanOrEqual(0);
    const parent = byId.get(span.parentSpanId ?? '');
    if (depth === 0) expect(span.parentSpanId ?? '').toBe('');
    else expect(parent?.name.startsWith(NESTING[depth - 1] ?? '?'), span.name).toBe(true);
    expect(attribute(span, 'tasktrail.task.id'), span.name).toBe(id);
    expect(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)).toBe(true);
  }
  // The first test of each of the two steps fails.
  const failed = spans.filter(({ status }) => (status?.code ?? 0) !== 0);
  expect(failed.map(({ name }) => name)).toEqual(['execute_tool Bash', 'execute_tool Bash']);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  const post = spans.find(({ name }) => name.startsWith('POST ')) as StoredSpan;
  // The traceparent of the caller is a link, not the parent.
  expect(post.traceId).not.toBe('a'.repeat(32));
  expect(post.links).toMatchObject([{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }]);
  expect(post.name).toBe('POST /webhooks/github');
  expect(post.events?.map(({ name }) => name)).toEqual(
    ['received', 'validation', 'command_matching', 'immediate_response', 'task_created', 'queue_push'].map(
      (stage) => `tasktrail.webhook.${stage}`,
    ),
  );
  expect(attribute(post, 'http.response.status_code')).toBeDefined();
  expect(await readDocument(logDir, id, 'metadata.json')).toMatchObject({
    trace_id: post.traceId,
    attempt: 1,
  });
});

test('POST /api/tasks accepts a task, runs it and serves it', async () => {
  const { id, result } = await run('echo', 'say this');
  expect(result).toMatchObject({ success: true, status: 'completed', error: null });
  const output = await outputOf(id);
  expect(output).toMatch(/^say this\n/);
  expect(output).toContain(`TASK_LOGS_TASK_ID=${id}`);
  expect(output).toMatch(/TRACEPARENT=00-[0-9a-f]{32}-[0-9a-f]{16}-01/);
  expect(output).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=${service.otlpUrl}`);
  expect(output).toContain(`tasktrail.task.id=${id}`);
  expect(output).not.toContain('GITHUB_WEBHOOK_SECRET');
  const full = (await (await fetch(`${service.url}/api/tasks/${id}/logs/full`)).json()) as object;
  expect(full).toMatchObject({
    metadata: { task_id: id, source: 'api', status: 'completed', assigned_agent: 'echo' },
    input: { message: 'say this' },
    final_result: result,
  });
});

test.each([
  [{ message: 'x', agent: 'nobody' }, 'nobody', 'echo'],
  [{ message: 'x', command: 'dance' }, 'dance', 'review'],
  [{ message: 'x', agent: 'constructor' }, 'constructor', 'echo'],
  [{ message: 'x', agent: '__proto__' }, '__proto__', 'echo'],
  [{ message: 'x', command: 'toString' }, 'toString', 'review'],
])('%j is refused with the known names, and leaves no task', async (order, name, known) => {
  const before = (await readdir(logDir)).length;
  const response = await service.submit(order);
  expect(response.status).toBe(400);
  const problem = (await response.json()) as { code: string; detail: string };
  expect(problem.code).toBe('ERR_INPUT_INVALID');
  expect(problem.detail).toContain(name);
  expect(problem.detail).toContain(known);
  expect((await readdir(logDir)).length).toBe(before);
});

test.each([
  ['missing', { error: expect.stringContaining('cannot start "/no/such/program": not found') }],
  ['fails', { error: expect.stringContaining('exited with code 1: why') }],
  ['killed', { error: expect.stringContaining('killed by SIGKILL') }],
  ['slow', { error: expect.stringContaining('timed out after 300 ms') }],
])(
  'an agent that is or does "%s" fails the task with the reason',
  { tags: 'full' },
  async (agent, expected) => {
    const { id, result } = await run(agent);
    expect(result).toMatchObject({ success: false, status: 'failed', ...expected });
    const failed = await until(async () => {
      const spans = await readSpans(logDir, id);
      return spans.some(({ name }) => name === 'process agent') ? spans : undefined;
    }, 'the spans');
    for (const prefix of NESTING.slice(2, 7)) {
      const span = failed.find(({ name }) => name.startsWith(prefix));
      expect(span?.status?.code, prefix).toBe(2);
      expect(span && attribute(span, 'error.type'), prefix).toMatch(/.+/);
    }
  },
);

test('a line of ten megabytes is cut, and the task completes', { tags: 'full' }, async () => {
  const { id, result } = await run('huge');
  expect(result).toMatchObject({ success: true });
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.every(({ content }) => Buffer.byteLength(String(content)) <= 1_048_576)).toBe(true);
  expect((await outputOf(id)).startsWith('xxxx')).toBe(true);
});

test('invalid UTF-8 is replaced, and a last line without a newline is kept', async () => {
  const bytes = await run('bytes');
  expect(bytes.result).toMatchObject({ success: true });
  expect(await outputOf(bytes.id)).toBe('a\uFFFDb\n');
  const endless = await run('endless');
  expect(endless.result).toMatchObject({ success: true });
  expect(await outputOf(endless.id)).toBe('no newline');
});

test('no files of a run stay below _agent, and the service is ready afterwards', async () => {
  expect(await readdir(join(logDir, '_agent'))).toEqual([]);
  const ready = await fetch(`${service.url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ version: readVersion() });
  expect(service.stderr).toBe('');
});

function askAs(host: string, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const req = request(`${service.url}${path}`, { headers: { host } }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('error', reject);
    req.end();
  });
}

test.each(['evil.test', 'evil.test:8000', '127.0.0.1.evil.test', 'localhost.evil.test', '10.0.0.1'])(
  'without a token the API is not served under the name %s',
  async (host) => {
    const answer = await askAs(host, '/api/tasks');
    expect(answer).toMatchObject({ status: 401, text: expect.stringContaining('"ERR_UNAUTHORIZED"') });
    expect(answer.text).not.toContain('task-');
  },
);

test.each(['localhost', 'LOCALHOST:1', '127.0.0.1:8000', '[::1]:8000', '[::1]'])(
  'the API is served under %s',
  async (host) => {
    expect((await askAs(host, '/api/tasks?limit=1')).status).toBe(200);
  },
);

test('an unknown path is a 404 problem', async () => {
  const response = await fetch(`${service.url}/nothing`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'ERR_NOT_FOUND' });
});

test('with a token the API needs it under any name, and agents get a derived one for their telemetry', {
  tags: 'full',
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-token-'));
  const token = 'a token of the tests';
  const guarded = await ServiceProcess.start({
    cwd: dir,
    env: {
      HOST: '0.0.0.0',
      TASK_LOGS_API_TOKEN: token.replaceAll(' ', '-'),
      // Each letter as the one 13 places on, because the service masks secrets, also in hexadecimal digits.
      TASK_LOGS_AGENT_COMMAND: `sh -c 'env; env | tr A-Za-z N-ZA-Mn-za-m'`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-vendor-key=abc',
      GITHUB_API_URL: 'http://127.0.0.1:9',
      GITHUB_TOKEN: 'ghp_x',
    },
  });
  try {
    const url = guarded.url.replace('0.0.0.0', '127.0.0.1');
    expect((await fetch(`${url}/api/tasks`)).status).toBe(401);
    const authorization = `Bearer ${token.replaceAll(' ', '-')}`;
    expect((await fetch(`${url}/api/tasks`, { headers: { authorization } })).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect((await fetch(`${guarded.otlpUrl}/v1/logs`, { method: 'POST', body: '{}' })).status).toBe(401);
    const response = await deliver(url, comment('@agent review'), { secret: SECRET });
    const id = firstTaskId(await response.json());
    await resultOf(join(dir, 'logs'), id);
    const lines = await readLines(join(dir, 'logs', id, '03-agent-output.jsonl'));
    const output = lines.map(({ content }) => content).join('');
    expect(output).toContain('OTEL_EXPORTER_OTLP_HEADERS=Authorization=');
    expect(output).not.toContain('x-vendor-key');
    expect(output).not.toContain('TASK_LOGS_API_TOKEN');
    const environment = rotated(output);
    expect(environment).toContain('OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20');
    expect(environment).not.toContain(token.replaceAll(' ', '-'));
    expect(environment).not.toContain(SECRET);
  } finally {
    await guarded.dispose();
    await rm(dir, { recursive: true, force: true });
  }
});
