import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DemoTask, missingInTask, taskLines } from '../../../src/cli/demo/report.ts';
import { createPaint } from '../../../src/cli/terminal/terminal-text.ts';
import { STAGES } from '../../../src/model/documents.ts';
import { tempDir } from '../run-command.ts';

const SHEET = { width: 120, paint: createPaint(false) };

/** Each is the parent of the next. */
const NAMES = [
  ...['POST /w', 'send a', 'process a', 'workflow w', 'phase p', 'step s', 'invoke_agent a'],
  'execute_tool T',
];

/** One line of `trace.jsonl`. */
function spanLine(name: string, index: number): string {
  const span = {
    ...{ traceId: 'trace-1', spanId: String(index), name, startTimeUnixNano: '0', endTimeUnixNano: '0' },
    parentSpanId: index === 0 ? '' : String(index - 1),
    attributes: [{ key: 'tasktrail.task.id', value: { stringValue: 'task-a' } }],
  };
  return `${JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })}\n`;
}

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

const FILES: Readonly<Record<string, string>> = {
  'metadata.json': `{"task_id":"task-a","status":"completed","trace_id":"${TRACE_ID}"}`,
  '01-input.json': '{}',
  '02-webhook-flow.jsonl': STAGES.map((stage) => `{"stage":"${stage}"}\n`).join(''),
  '03-agent-output.jsonl': '{"type":"output"}\n{"type":"result"}\n',
  '04-final-result.json': '{"success":true,"result":"It\\nis done.","metrics":{"duration_seconds":4.2}}',
  'trace.jsonl': NAMES.map(spanLine).join(''),
  'facts.jsonl': '{}\n',
};

/** A stored task with these files instead of the complete ones; undefined: without the file. */
async function taskWith(files: Readonly<Record<string, string | undefined>> = {}): Promise<DemoTask> {
  const logDir = await tempDir();
  mkdirSync(join(logDir, 'task-a'));
  for (const [name, text] of Object.entries({ ...FILES, ...files }))
    if (text !== undefined) writeFileSync(join(logDir, 'task-a', name), text);
  return { logDir, taskId: 'task-a' };
}

test('a complete task lacks nothing', async () => {
  expect(await missingInTask(await taskWith())).toEqual([]);
});

test.each(Object.keys(FILES))('a task without %s, or with an empty one, is incomplete', async (name) => {
  expect(await missingInTask(await taskWith({ [name]: undefined }))).toEqual([name]);
  expect(await missingInTask(await taskWith({ [name]: '' }))).toEqual([name]);
});

test('a missing stage, a failed result and a broken trace are named', async () => {
  const task = await taskWith({
    '02-webhook-flow.jsonl': '{"stage":"received"}\n',
    '04-final-result.json': '{"success":false}',
    'trace.jsonl': spanLine('POST /w', 0),
  });
  const missing = await missingInTask(task);
  expect(missing).toContain('stage queue_push');
  expect(missing).not.toContain('stage received');
  expect(missing).toContain('a successful result');
  expect(missing).toContain('a span "execute_tool"');
});

test('the report has the result, each file with what it holds, the trace with its links, and the tree', async () => {
  const task = await taskWith();
  const traceUrls = ['http://j.test/{trace_id}'];
  const lines = await taskLines(task, { traceUrls, sheet: SHEET });
  expect(lines).toEqual([
    'completed  4.2s',
    'result     It is done.',
    '',
    `files      ${join(task.logDir, task.taskId)}/`,
    '  01-input.json                2 B  the message, and the event that it came with',
    expect.stringMatching(/^ {2}02-webhook-flow\.jsonl +\d+ B {2}6 stages of the webhook$/),
    '  03-agent-output.jsonl       36 B  2 lines of agent output',
    expect.stringMatching(/^ {2}04-final-result\.json +\d+ B {2}result or error, cost, tokens, duration$/),
    '  facts.jsonl                  3 B  1 records that the documents are made from',
    expect.stringMatching(/^ {2}metadata\.json +\d+ B {2}status, agent, command, times, trace id$/),
    expect.stringMatching(/^ {2}trace\.jsonl +1\.\d KiB {2}8 spans, each an OTLP\/JSON request$/),
    '',
    'trace      trace-1',
    `           http://j.test/${TRACE_ID}`,
    `  POST /w 0.0s > ${NAMES.slice(1).join(' > ')}`,
  ]);
});

test('the report of an incomplete task has what is there', async () => {
  const task = await taskWith({
    'trace.jsonl': undefined,
    '01-input.json': undefined,
    '04-final-result.json': '{"error":"exit 3"}',
  });
  const text = (await taskLines(task, { traceUrls: [], sheet: SHEET })).join('\n');
  expect(text).toContain('result     exit 3');
  expect(text).toContain('trace      none');
  expect(text).not.toContain('01-input.json');
});
