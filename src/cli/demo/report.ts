import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { STAGES } from '../../model/documents.ts';
import { type JsonObject, objectOf, parseObject } from '../../model/json.ts';
import { sizeText } from '../../model/size-text.ts';
import { taskTraceLinks } from '../../model/trace-url.ts';
import { TASK_FILES, type TaskFile } from '../../store/layout.ts';
import { amountsText } from '../terminal/line-format.ts';
import { row, type Sheet, wholeRow } from './sheet.ts';
import { missingInTrace, readSpans, treeLines } from './span-tree.ts';

/** The manifest is written some seconds after the end. */
type ShownFile = Exclude<TaskFile, 'manifest'>;

/** What each file of a task holds; `#` stands for the number of its lines. */
const CONTENTS: Readonly<Record<ShownFile, string>> = {
  metadata: 'status, agent, command, times, trace id',
  input: 'the message, and the event that it came with',
  webhookFlow: '# stages of the webhook',
  agentOutput: '# lines of agent output',
  finalResult: 'result or error, cost, tokens, duration',
  trace: '# spans, each an OTLP/JSON request',
  facts: '# records that the documents are made from',
};

const FILES = Object.entries(CONTENTS) as readonly [ShownFile, string][];

/** A task of the demo's log directory. */
export interface DemoTask {
  readonly logDir: string;
  readonly taskId: string;
}

/** What a finished task lacks, in words; empty when its directory is complete. */
export async function missingInTask({ logDir, taskId }: DemoTask): Promise<readonly string[]> {
  const texts = new Map<TaskFile, string>();
  const missing: string[] = [];
  for (const [file] of FILES) {
    const text = await readFile(join(logDir, taskId, TASK_FILES[file]), 'utf8').catch(() => '');
    if (text === '') missing.push(TASK_FILES[file]);
    else texts.set(file, text);
  }
  if (missing.length > 0) return missing;
  const stages = linesOf(texts.get('webhookFlow')).map(({ stage }) => stage);
  for (const stage of STAGES) if (!stages.includes(stage)) missing.push(`stage ${stage}`);
  if (parseObject(texts.get('finalResult'))?.success !== true) missing.push('a successful result');
  return [...missing, ...missingInTrace(readSpans(texts.get('trace') ?? ''))];
}

/** The result, the files with what they hold, and the trace, as lines without their newlines. */
export async function taskLines(
  { logDir, taskId }: DemoTask,
  { traceUrls, sheet }: { readonly traceUrls: readonly string[]; readonly sheet: Sheet },
): Promise<readonly string[]> {
  const read = (file: TaskFile): Promise<string> =>
    readFile(join(logDir, taskId, TASK_FILES[file]), 'utf8').catch(() => '');
  const result = objectOf(parseObject(await read('finalResult')));
  const metadata = objectOf(parseObject(await read('metadata')));
  const spans = readSpans(await read('trace'));
  const links = taskTraceLinks(traceUrls, metadata).traces ?? [];
  const amounts = amountsText(objectOf(result.metrics));
  return [
    row(sheet, String(metadata.status), amounts, result.success === true ? 'green' : 'red'),
    row(sheet, 'result', String(result.result ?? result.error ?? '')),
    '',
    wholeRow(sheet, 'files', `${join(logDir, taskId)}/`),
    ...(await fileLines(join(logDir, taskId), sheet)),
    '',
    wholeRow(sheet, 'trace', spans[0]?.traceId ?? 'none'),
    ...links.map((link) => wholeRow(sheet, '', link)),
    ...treeLines(spans, sheet),
  ];
}

async function fileLines(directory: string, sheet: Sheet): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(directory)).sort()) {
    const [, content = ''] = FILES.find(([file]) => TASK_FILES[file] === name) ?? [];
    const path = join(directory, name);
    const count = content.startsWith('#') ? linesOf(await readFile(path, 'utf8')).length : 0;
    const size = sizeText((await stat(path)).size);
    const text = `  ${name.padEnd(22)} ${size.padStart(9)}  ${content.replace('#', String(count))}`;
    // `fitLine` folds white space, and these columns need theirs.
    lines.push(text.slice(0, sheet.width));
  }
  return lines;
}

function linesOf(text: string | undefined): readonly JsonObject[] {
  return (text ?? '').split('\n').flatMap((line) => {
    const value = parseObject(line);
    return value === undefined ? [] : [value];
  });
}
