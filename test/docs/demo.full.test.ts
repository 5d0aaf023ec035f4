import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { readSpans, type StoredSpan } from '../support/receiver.ts';
import { ROOT } from './markdown.ts';

const README = join(ROOT, 'README.md');

/** `GOLDEN=write npx vitest run test/docs/demo.full.test.ts` rewrites the README. Review the diff before you commit it. */
const WRITE = process.env.GOLDEN === 'write';

/** The description of each file in the README. A file without a description fails the test. */
const SENTENCES: Readonly<Record<string, string>> = {
  'metadata.json': 'who, when, status, model, trace id',
  '01-input.json': "the person's own text and what triggered it",
  '02-webhook-flow.jsonl':
    'received, validation, command_matching, immediate_response, task_created, queue_push',
  '03-agent-output.jsonl':
    'system, thinking, output, tool_call, tool_result, error, result: a line each, live',
  '04-final-result.json': 'success, result, error, cost, tokens, duration',
  'trace.jsonl': "the task's spans, one OTLP/JSON request a line",
  'facts.jsonl': 'the records that the three documents are folded from',
};

let logDir: string;
let taskId: string;

beforeAll(async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'demo'], { cwd: ROOT });
  logDir = /\S*tasktrail-demo-\w+/.exec(stdout)?.[0] ?? '';
  taskId = /task-[0-9a-z]{26}/.exec(stdout)?.[0] ?? '';
}, 120_000);

afterAll(async () => {
  // Only the directory of the demo.
  if (/tasktrail-demo-\w+$/.test(logDir)) await rm(logDir, { recursive: true, force: true });
});

test('the README shows the files of the demo', async () => {
  const names = await readdir(join(logDir, taskId));
  expect(names.sort()).toEqual(Object.keys(SENTENCES).sort());
  const rows = Object.entries(SENTENCES).map(([name, sentence]) => `  ${name.padEnd(24)}${sentence}`);
  compare('files', [`${taskId.slice(0, 9)}.../`, ...rows]);
});

test('the README shows the spans of the demo', async () => {
  const spans = await readSpans(logDir, taskId);
  const byStart = [...spans].sort((a, b) =>
    Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)),
  );
  compare('spans', treeOf(byStart, undefined, 0));
});

function treeOf(spans: readonly StoredSpan[], parent: string | undefined, depth: number): readonly string[] {
  return spans
    .filter(({ parentSpanId }) => (parentSpanId ?? '') === (parent ?? ''))
    .flatMap(({ name, spanId }) => [`${'  '.repeat(depth)}${name}`, ...treeOf(spans, spanId, depth + 1)]);
}

function compare(mark: string, lines: readonly string[]): void {
  const readme = readFileSync(README, 'utf8');
  const [begin, end] = [`<!-- begin ${mark} -->\n`, `<!-- end ${mark} -->`];
  const [from, to] = [readme.indexOf(begin) + begin.length, readme.indexOf(end)];
  // The task id differs between runs.
  const text = `\n\`\`\`text\n${lines.join('\n').replace(/task-\w{4}\.\.\./, 'task-01m8...')}\n\`\`\`\n\n`;
  if (WRITE) writeFileSync(README, readme.slice(0, from) + text + readme.slice(to));
  else expect(readme.slice(from, to)).toBe(text);
}
