import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { isTerminal, OUTPUT_TYPES } from '../model/documents.ts';
import { type JsonObject, parseObject } from '../model/json.ts';
import type { TaskFlow } from '../model/task-reading.ts';
import { taskTraceLinks } from '../model/trace-url.ts';
import { GrowingLines } from '../store/read/growing-lines.ts';
import { createReader } from '../store/read/reader.ts';
import { pickTask, type TaskShelf } from './task-pick.ts';
import { createLineFormat, type LineFormat } from './terminal/line-format.ts';
import { paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson, escapeLine } from './terminal/terminal-text.ts';

export interface LogsFlags {
  readonly dir?: string;
  readonly follow?: boolean;
  /** Names with commas between them. */
  readonly type?: string;
  readonly json?: boolean;
}

/** How often a growing file is looked at: live to the eye, and next to nothing for the machine. */
const POLL_MS = 100;

/** Beside the types of an agent's output: the webhook's stages, and the final result. */
const TYPES: readonly string[] = ['stage', ...OUTPUT_TYPES, 'final'];

/** One line to print; `kind` says which file it is from. */
type Kind = 'stage' | 'output' | 'final';

const KINDS: Readonly<Record<TaskFlow, Kind>> = { 'webhook-flow': 'stage', 'agent-output': 'output' };

/**
 * Prints what is recorded of a task: stages, output, final result; reads the files, whoever holds the directory. With
 * `follow` until the task is over. Throws `ERR_NOT_FOUND` when there is no such task.
 */
export async function printLogs(wanted: string | undefined, flags: LogsFlags): Promise<number> {
  const types = readTypes(flags.type);
  const { logDir, traceUrls } = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const shelf = { logDir, reader: createReader(logDir) };
  const printer = new Printer(types, flags.json === true);
  const taskId = flags.follow === true ? await waitForTask(shelf, wanted) : await pickTask(shelf, wanted);
  if (taskId === undefined) throw notFound(shelf, wanted);
  if (flags.follow === true) await printGrowing(shelf, taskId, printer);
  else await printStored(shelf, taskId, printer);
  if (printer.isClosed) return 0;
  const result = await shelf.reader.readDocument(taskId, 'final-result');
  if (result !== undefined) await printer.print('final', [JSON.stringify(result)]);
  if (flags.json !== true) await sayTrace(shelf, taskId, traceUrls);
  return 0;
}

/** Beside what is recorded, so on standard error: a pipe gets the task alone. */
async function sayTrace({ reader }: TaskShelf, taskId: string, traceUrls: readonly string[]): Promise<void> {
  if (traceUrls.length === 0) return;
  // Damaged or unreadable: everything else of the task is printed, and a link is not worth a failure.
  const metadata = await reader.readDocument(taskId, 'metadata').catch(() => undefined);
  const { trace } = taskTraceLinks(traceUrls, metadata ?? {});
  if (trace !== undefined) process.stderr.write(`trace: ${escapeLine(trace)}\n`);
}

function readTypes(value: string | undefined): ReadonlySet<string> | undefined {
  if (value === undefined) return undefined;
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !TYPES.includes(name));
  if (unknown === undefined) return new Set(names);
  throw new TasktrailError(
    'ERR_INPUT_INVALID',
    `--type: there is no type ${JSON.stringify(unknown.slice(0, 60))}: use ${TYPES.join(', ')}, with commas between them`,
  );
}

function notFound({ logDir }: TaskShelf, wanted: string | undefined): TasktrailError {
  const what = wanted === undefined ? 'no task' : `no task ${escapeLine(wanted)}`;
  return new TasktrailError(
    'ERR_NOT_FOUND',
    `there is ${what} in ${escapeLine(logDir)}: tasktrail tasks lists them`,
  );
}

async function waitForTask(shelf: TaskShelf, wanted: string | undefined): Promise<string> {
  for (let isSaid = false; ; isSaid = true) {
    const taskId = await pickTask(shelf, wanted);
    if (taskId !== undefined) return taskId;
    if (!isSaid) process.stderr.write(`tasktrail: waiting for ${wanted ?? 'a task'}\n`);
    await delay(POLL_MS);
  }
}

async function printStored({ reader }: TaskShelf, taskId: string, printer: Printer): Promise<void> {
  let skipped = 0;
  for (const name of ['webhook-flow', 'agent-output'] as const) {
    const flow = await reader.openFlow(taskId, name);
    if (flow === undefined) continue;
    skipped += flow.skippedLines;
    try {
      for await (const line of flow.lines()) {
        await printer.print(KINDS[name], [line]);
        if (printer.isClosed) return;
      }
    } finally {
      await flow.close();
    }
  }
  await printer.flush();
  if (skipped > 0) process.stderr.write(`tasktrail: ${skipped} damaged line(s) left out\n`);
}

async function printGrowing({ logDir, reader }: TaskShelf, taskId: string, printer: Printer): Promise<void> {
  const stages = new GrowingLines(logDir, taskId, 'webhookFlow');
  const output = new GrowingLines(logDir, taskId, 'agentOutput');
  let isKnown = false;
  try {
    for (;;) {
      // Asked first: what is over by now has all its lines.
      const metadata = await reader.readDocument(taskId, 'metadata');
      if (metadata === undefined && isKnown)
        throw new TasktrailError('ERR_NOT_FOUND', `task ${taskId} was removed meanwhile`);
      isKnown = metadata !== undefined;
      for await (const lines of stages.news()) await printer.print('stage', lines);
      for await (const lines of output.news()) await printer.print('output', lines);
      await printer.flush();
      if (isTerminal(metadata?.status) || printer.isClosed) return;
      await delay(POLL_MS);
    }
  } finally {
    await stages.close();
    await output.close();
  }
}

/** Enough for one write to be worth it; a run's output may be far more than memory. */
const WRITE_CHARS = 65_536;

/** Lines in, text on standard output. */
class Printer {
  readonly #out = new TerminalStream(1);
  readonly #types: ReadonlySet<string> | undefined;
  readonly #format: LineFormat | undefined;
  readonly #isTerminal: boolean = isatty(1);
  #text = '';

  constructor(types: ReadonlySet<string> | undefined, isJson: boolean) {
    this.#types = types;
    this.#format = isJson ? undefined : createLineFormat(paintFor(1));
  }

  /** Whether the reader has gone (`| head`). */
  get isClosed(): boolean {
    return this.#out.failure !== undefined;
  }

  async print(kind: Kind, lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      this.#text += this.#textOf(kind, line);
      if (this.#text.length >= WRITE_CHARS) await this.flush();
    }
    if (kind === 'final') await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '') await this.#out.write(text);
  }

  #textOf(kind: Kind, line: string): string {
    if (this.#format === undefined && this.#types === undefined) return this.#jsonText(line);
    const value = parse(line);
    const type = kind === 'output' ? value.type : kind;
    if (this.#types !== undefined && !(typeof type === 'string' && this.#types.has(type))) return '';
    return this.#format === undefined ? this.#jsonText(line) : this.#format[kind](value);
  }

  /** As it is stored. */
  #jsonText(line: string): string {
    return `${this.#isTerminal ? escapeJson(line) : line}\n`;
  }
}

/** Readers give whole objects only. */
function parse(line: string): JsonObject {
  return parseObject(line) ?? {};
}
