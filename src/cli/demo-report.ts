import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { STAGES } from '../model/documents.ts';
import { objectOf } from '../model/json.ts';
import { taskTraceLinks } from '../model/trace-url.ts';
import { TASK_FILES } from '../store/layout.ts';

/** What a trace of one delivery is made of, outermost first; each hangs below the one before it. */
const NESTING = [
  'POST ',
  'send ',
  'process ',
  'workflow ',
  'phase ',
  'step ',
  'invoke_agent ',
  'execute_tool ',
] as const;

const FILES = Object.values(TASK_FILES);

interface DemoSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string }[];
}

/** What a finished task lacks, in words; empty when its directory is complete. */
export async function checkTask(logDir: string, taskId: string): Promise<readonly string[]> {
  const dir = join(logDir, taskId);
  const missing: string[] = [];
  const texts = new Map<string, string>();
  for (const file of FILES) {
    const text = await readFile(join(dir, file), 'utf8').catch(() => undefined);
    if (text === undefined || text === '') missing.push(file);
    else texts.set(file, text);
  }
  if (missing.length > 0) return missing;
  const stages = linesOf(texts.get(TASK_FILES.webhookFlow)).map((line) => Reflect.get(line, 'stage'));
  for (const stage of STAGES) if (!stages.includes(stage)) missing.push(`stage ${stage}`);
  const result: unknown = JSON.parse(texts.get(TASK_FILES.finalResult) ?? '{}');
  if (Reflect.get(Object(result), 'success') !== true) missing.push('a successful result');
  return [...missing, ...checkTrace(spansOf(texts.get(TASK_FILES.trace)))];
}

function checkTrace(spans: readonly DemoSpan[]): readonly string[] {
  const missing: string[] = [];
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const [index, prefix] of NESTING.entries()) {
    const found = spans.filter(({ name }) => name.startsWith(prefix));
    if (found.length === 0) missing.push(`a span "${prefix.trim()}"`);
    const parentPrefix = NESTING[index - 1];
    for (const span of found) {
      const parent = byId.get(span.parentSpanId ?? '');
      if (parentPrefix !== undefined && parent?.name.startsWith(parentPrefix) !== true) {
        missing.push(`the parent "${parentPrefix.trim()}" of span "${span.name}"`);
      }
    }
  }
  for (const span of spans) {
    if (!span.attributes.some(({ key }) => key === 'tasktrail.task.id'))
      missing.push(`the task id on "${span.name}"`);
  }
  if (new Set(spans.map(({ traceId }) => traceId)).size !== 1) missing.push('one trace for everything');
  return missing;
}

/** The tree, each file in short, the trace, the addresses to try. */
export async function printTask(at: {
  readonly logDir: string;
  readonly taskId: string;
  readonly url: string;
  readonly traceUrls: readonly string[];
}): Promise<void> {
  const { logDir, taskId, url, traceUrls } = at;
  const dir = join(logDir, taskId);
  print(`\n${dir}/`);
  for (const file of (await readdir(dir)).sort()) {
    print(`  ${file.padEnd(24)} ${String((await stat(join(dir, file))).size).padStart(7)} bytes`);
  }
  for (const file of FILES) {
    const lines = (await readFile(join(dir, file), 'utf8')).trimEnd().split('\n');
    print(`\n${file}${lines.length > 1 ? ` (${lines.length} lines)` : ''}`);
    for (const line of lines.slice(0, 2)) print(`  ${line.length > 160 ? `${line.slice(0, 157)}...` : line}`);
  }
  const spans = spansOf(await readFile(join(dir, TASK_FILES.trace), 'utf8').catch(() => ''));
  print(`\ntrace     ${spans[0]?.traceId ?? 'none'}`);
  const metadata: unknown = JSON.parse(await readFile(join(dir, TASK_FILES.metadata), 'utf8'));
  for (const link of taskTraceLinks(traceUrls, objectOf(metadata)).traces ?? []) print(`          ${link}`);
  printSpans(spans, undefined, 1);
  print('\nREST, while the service runs');
  for (const part of ['metadata', 'input', 'webhook-flow', 'agent-output', 'final-result', 'full']) {
    print(`  curl ${url}/api/tasks/${taskId}/logs/${part}`);
  }
  print(`  curl ${url}/api/tasks`);
}

function printSpans(spans: readonly DemoSpan[], parentId: string | undefined, depth: number): void {
  for (const span of spans) {
    if (span.parentSpanId !== parentId) continue;
    print(`${'  '.repeat(depth)}${span.name}`);
    printSpans(spans, span.spanId, depth + 1);
  }
}

function spansOf(text: string | undefined): readonly DemoSpan[] {
  return linesOf(text)
    .map((line) => Reflect.get(line, 'resourceSpans')?.[0]?.scopeSpans?.[0]?.spans?.[0] as DemoSpan)
    .sort((a, b) => startOf(a) - startOf(b));
}

function startOf(span: DemoSpan): number {
  return Number(Reflect.get(span, 'startTimeUnixNano'));
}

function linesOf(text: string | undefined): readonly object[] {
  return (text ?? '').split('\n').flatMap((line) => (line === '' ? [] : [Object(JSON.parse(line))]));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
