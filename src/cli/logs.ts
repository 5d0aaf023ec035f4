import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { crc32 } from 'node:zlib';
import { loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { OUTPUT_TYPES } from '../model/documents.ts';
import { type JsonObject, parseObject } from '../model/json.ts';
import { isMark } from '../model/sender.ts';
import type { TaskFlow } from '../model/task-reading.ts';
import { firstOfText } from '../model/text.ts';
import { taskTraceLinks } from '../model/trace-url.ts';
import type { Reader } from '../serve/reader.ts';
import { idHash } from '../store/places/line-hash.ts';
import { openRecords } from './open-records.ts';
import { pickTask, type TaskSource } from './task-pick.ts';
import { createLineFormat, type LineFormat } from './terminal/line-format.ts';
import { paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson, escapeLine } from './terminal/terminal-text.ts';

export interface LogsFlags {
  readonly dir?: string;
  readonly follow?: boolean;
  /** Names, separated by commas. */
  readonly type?: string;
  readonly json?: boolean;
}

/** Milliseconds between two looks for a task that is not there yet: live to the eye, and cheap. */
const POLL_MS = 100;

/** The types of an agent's output, and those of the two other files. */
const TYPES: readonly string[] = ['stage', ...OUTPUT_TYPES, 'final'];

interface LogSource {
  readonly reader: Pick<Reader, 'readDocument' | 'openFlow' | 'followTask'>;
}

/** The file that a line is from. */
type Kind = 'stage' | 'output' | 'final';

const KINDS: Readonly<Record<TaskFlow, Kind>> = { 'webhook-flow': 'stage', 'agent-output': 'output' };

/**
 * Prints the stages, output and final result of a task from its files: no service has to run. With `follow` it goes on
 * until the task is over. Throws `ERR_NOT_FOUND` when there is no such task.
 */
export async function printLogs(wanted: string | undefined, flags: LogsFlags): Promise<number> {
  const types = readTypes(flags.type);
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  const { traceUrls } = config;
  const { place: logDir, reader, names } = await openRecords(config, flags.dir);
  const source = { logDir, reader, names };
  const printer = new Printer(types, flags.json === true);
  const taskId = flags.follow === true ? await waitForTask(source, wanted) : await pickTask(source, wanted);
  if (taskId === undefined) throw notFound(source, wanted);
  if (flags.follow === true) await printGrowing(source, taskId, printer);
  else await printStored(source, taskId, printer);
  if (printer.isClosed) return 0;
  const result = await source.reader.readDocument(taskId, 'final-result');
  if (result !== undefined) await printer.print('final', [JSON.stringify(result)]);
  if (flags.json !== true) await printTraceLink(source, taskId, traceUrls);
  return 0;
}

/** On standard error, so that a pipe gets only the recorded lines. */
async function printTraceLink(
  { reader }: LogSource,
  taskId: string,
  traceUrls: readonly string[],
): Promise<void> {
  if (traceUrls.length === 0) return;
  // Without readable metadata there is no link. That is no reason to fail: the task is printed.
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
    `--type: there is no type ${JSON.stringify(firstOfText(unknown, 60))}: use ${TYPES.join(', ')}, separated by commas`,
  );
}

function notFound({ logDir }: TaskSource, wanted: string | undefined): TasktrailError {
  const directory = escapeLine(logDir);
  const message =
    wanted === undefined
      ? `there is no task in ${directory} yet: run one, or use --dir`
      : `there is no task ${escapeLine(wanted)} in ${directory}: "tasktrail tasks" lists them, --dir names another directory`;
  return new TasktrailError('ERR_NOT_FOUND', message);
}

async function waitForTask(source: TaskSource, wanted: string | undefined): Promise<string> {
  for (let isAnnounced = false; ; isAnnounced = true) {
    const taskId = await pickTask(source, wanted);
    if (taskId !== undefined) return taskId;
    if (!isAnnounced)
      process.stderr.write(
        `tasktrail: waiting for ${escapeLine(wanted ?? 'a task')} in ${escapeLine(source.logDir)}\n`,
      );
    await delay(POLL_MS);
  }
}

async function printStored({ reader }: LogSource, taskId: string, printer: Printer): Promise<void> {
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

/** The files are read here, with a service and without one: each line is printed when it is stored. */
async function printGrowing({ reader }: LogSource, taskId: string, printer: Printer): Promise<void> {
  const removed = (): TasktrailError =>
    new TasktrailError('ERR_NOT_FOUND', `task ${taskId} was removed while it was followed`);
  const stream = await reader.followTask(taskId, undefined);
  if (stream === undefined) throw removed();
  // The watch of the files alone does not keep the process.
  const alive = setInterval(() => {}, 2 ** 30);
  const { signal } = new AbortController();
  const printed = new PrintedLines();
  try {
    await stream.start();
    for (;;) {
      const events = await stream.next(signal);
      if (events === undefined) return;
      for (const { event, data } of events) {
        if (event === 'reset' && parse(data).removed === true) throw removed();
        if (event === 'reset') printed.begin();
        if (event === 'end') return;
        const kind = event === 'stage' ? 'stage' : event === 'line' ? 'output' : undefined;
        if (kind !== undefined && printed.isNew(data)) await printer.print(kind, [data]);
      }
      await printer.flush();
      if (printer.isClosed) return;
    }
  } finally {
    clearInterval(alive);
    await stream.close();
    await printer.flush();
  }
}

/** Which lines are printed, for a file that another program changes: its lines come again from the first on. */
class PrintedLines {
  /** 53 bits of each: a file may have millions of lines. */
  readonly #known = new Set<number>();
  #isAgain = false;

  begin(): void {
    this.#isAgain = true;
  }

  isNew(line: string): boolean {
    const id = idOf(line);
    const key = crc32(id) * 2 ** 21 + (idHash(id) % 2 ** 21);
    const isKnown = this.#known.has(key);
    this.#known.add(key);
    return !this.#isAgain || !isKnown;
  }
}

/**
 * The whole line stands for the id when it has none. A record of the trail is another line than a copy that another sender has
 * sent before: the copy may say something else.
 */
function idOf(line: string): string {
  const { event_id: id, sender } = parse(line);
  if (typeof id !== 'string') return line;
  return isMark(sender) ? `${id} ${sender}` : id;
}

/** Characters per write: few writes, and a bound on memory, because the output of a run may be larger than that. */
const WRITE_CHARS = 65_536;

/** Formats stored lines and writes them to standard output. */
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

  /** Whether the reader of the output has ended (`| head`). */
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

  /** The stored line; on a terminal with its control characters escaped. */
  #jsonText(line: string): string {
    return `${this.#isTerminal ? escapeJson(line) : line}\n`;
  }
}

/** The reader leaves out lines that are not objects. */
function parse(line: string): JsonObject {
  return parseObject(line) ?? {};
}
