import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject } from '../model/json.ts';
import type { OtlpSpan } from '../model/otlp.ts';
import { AnnouncedSpans } from '../project/announced-spans.ts';
import type { Change, FactLine } from '../project/change.ts';
import { TaskFold } from '../project/fold.ts';
import { redactJson } from '../redact/redact.ts';
import { restoreTask } from './compress.ts';
import { isTempNameOf, makeDirectory, readText, replaceFile } from './durable.ts';
import { TASK_FILES, type TaskFile, taskDir } from './layout.ts';
import { LineFile, type NewLine } from './line-file.ts';
import { eventKey, factKey, isFactLine, jsonLine, spanLine, traceKey } from './line-keys.ts';

export type TaskChange = Extract<Change, { kind: 'line' | 'fact' | 'span' }>;

const LINE_FILES = ['webhookFlow', 'agentOutput', 'facts', 'trace'] as const;
type LineFileName = (typeof LINE_FILES)[number];
const DOCUMENTS = ['input', 'finalResult', 'metadata'] as const;

/** After the task's end: time for spans that are on their way before they are given up. */
const LOST_SPAN_MS = 10_000;

/** Order is made when it has been quiet for so long after the end; each time again twice as long, up to a minute. */
const SETTLE_MS = 2_000;
const SETTLE_MAX_MS = 60_000;

/** A task that nothing is heard of leaves memory; the next record reads it back. */
const IDLE_MS = 600_000;

/** One task's directory while somebody writes to it: the ids of its lines, the fold of its facts, what is due. */
export class OpenTask {
  readonly id: string;
  readonly #dir: string;
  readonly #fold: TaskFold;
  readonly #files: Record<LineFileName, LineFile>;
  readonly #spans = new AnnouncedSpans();
  readonly #written = new Map<TaskFile, string>();
  #settled = false;
  #endedAtMs: number | undefined;
  #changedAtMs: number;
  #settleMs = SETTLE_MS;
  #wasReordered = false;

  private constructor(id: string, dir: string, loaded: Loaded, nowMs: number) {
    this.id = id;
    this.#dir = dir;
    this.#fold = new TaskFold(id);
    this.#files = loaded.files;
    for (const fact of loaded.facts) this.#learn(fact);
    this.#changedAtMs = nowMs;
    if (this.#fold.isTerminal) this.#endedAtMs = nowMs;
  }

  /** Reads a task back, or begins one. Cuts torn tails, removes unfinished files, rewrites documents that lag behind. */
  static async open(logDir: string, id: string, nowMs: number): Promise<OpenTask> {
    const dir = taskDir(logDir, id);
    await makeDirectory(dir);
    await restoreTask(dir, await removeTemps(dir));
    const task = new OpenTask(id, dir, await load(dir), nowMs);
    for (const document of DOCUMENTS) {
      const text = await readText(join(dir, TASK_FILES[document]));
      if (text !== undefined) task.#written.set(document, text);
    }
    const wasSettled = isSettled(task.#written.get('metadata'));
    task.#settled = wasSettled && task.#fold.isTerminal && !task.#isUnfinished();
    // A directory with nothing of ours in it may be anybody's.
    if (LINE_FILES.some((name) => !task.#files[name].isEmpty)) await task.#writeDocuments();
    return task;
  }

  get badLines(): number {
    return LINE_FILES.reduce((sum, name) => sum + this.#files[name].badLines, 0);
  }

  /** Stores what is new and returns how many changes were. When it throws, the task must be opened anew. */
  async apply(changes: readonly TaskChange[], nowMs: number): Promise<number> {
    const lines: Record<LineFileName, NewLine[]> = { webhookFlow: [], agentOutput: [], facts: [], trace: [] };
    const facts = new Map<string, FactLine>();
    for (const change of changes) {
      if (change.kind === 'line') lines[change.file].push(jsonLine(change.line));
      else if (change.kind === 'span') lines.trace.push(spanLine(change.span, change.line));
      else if (!this.#files.facts.has(change.line.event_id) && !facts.has(change.line.event_id)) {
        facts.set(change.line.event_id, change.line);
        lines.facts.push(jsonLine(change.line));
      }
    }
    const firstBefore = this.#firstTimestamp();
    const settledBefore = this.#settled;
    let fresh = 0;
    for (const name of LINE_FILES) fresh += await this.#files[name].append(lines[name]);
    if (fresh === 0) return 0;
    for (const fact of facts.values()) this.#learn(fact);
    this.#touch(nowMs);
    const isOld = facts.size === 0 && this.#settled === settledBefore && this.#written.has('metadata');
    if (!isOld || this.#firstTimestamp() !== firstBefore) await this.#writeDocuments();
    return fresh;
  }

  /** What time brings: order in the files after the end, spans that never came. Returns those to be sent. */
  async tick(nowMs: number): Promise<readonly OtlpSpan[]> {
    const isOver = this.#endedAtMs !== undefined && nowMs - this.#endedAtMs >= LOST_SPAN_MS;
    const spans = this.#spans.build({
      hasArrived: this.#hasSpan,
      isOver,
      lastTimestamp: this.#lastTimestamp(),
    });
    const isQuiet = nowMs - this.#changedAtMs >= this.#settleMs;
    if (this.#endedAtMs === undefined || this.#settled || !isQuiet) return spans;
    await this.#putInOrder();
    if (isOver && !this.#isUnfinished()) {
      this.#settled = true;
      await this.#writeDocuments();
    }
    return spans;
  }

  /** Whether time has yet to bring something: its end is not settled. */
  get isDue(): boolean {
    return this.#endedAtMs !== undefined && !this.#settled;
  }

  /** Whether it may leave memory: settled and quiet, or nothing heard of it for long. */
  isIdle(nowMs: number): boolean {
    const quietMs = nowMs - this.#changedAtMs;
    // Longer than the wait itself, which would otherwise be forgotten between two stragglers.
    return quietMs >= (this.#settled ? 2 * this.#settleMs : IDLE_MS);
  }

  #learn(fact: FactLine): void {
    this.#fold.add(fact);
    this.#spans.add(fact);
  }

  #touch(nowMs: number): void {
    this.#changedAtMs = nowMs;
    if (!this.#fold.isTerminal) {
      // Another attempt has begun, or none has ended yet.
      this.#endedAtMs = undefined;
      this.#settled = false;
      return;
    }
    this.#endedAtMs ??= nowMs;
    if (this.#settled && this.#isUnfinished()) this.#settled = false;
  }

  async #putInOrder(): Promise<void> {
    const { webhookFlow, agentOutput, facts, trace } = this.#files;
    const isMoved = [await webhookFlow.settle(), await agentOutput.settle()].includes(true);
    await facts.heal();
    await trace.heal();
    if (!isMoved) return;
    if (this.#wasReordered) this.#settleMs = Math.min(this.#settleMs * 2, SETTLE_MAX_MS);
    this.#wasReordered = true;
  }

  #isOutOfPlace(): boolean {
    return !this.#files.webhookFlow.isOrdered || !this.#files.agentOutput.isOrdered;
  }

  /** Whether a line stands in the wrong place or a span that was announced is not there. */
  #isUnfinished(): boolean {
    return this.#isOutOfPlace() || this.#spans.isMissingAny(this.#hasSpan);
  }

  readonly #hasSpan = (key: string): boolean => this.#files.trace.has(key);

  #lastTimestamp(): string {
    let last = '';
    for (const name of ['webhookFlow', 'agentOutput', 'facts'] as const) {
      const timestamp = this.#files[name].lastTimestamp;
      if (timestamp !== undefined && timestamp > last) last = timestamp;
    }
    return last;
  }

  #firstTimestamp(): string | null {
    const times = LINE_FILES.map((name) => this.#files[name].firstTimestamp).filter(
      (time) => time !== undefined,
    );
    return times.sort()[0] ?? null;
  }

  /** The result before the status that speaks of it: who sees `completed` finds 04. */
  async #writeDocuments(): Promise<void> {
    await this.#write('input', this.#fold.input());
    await this.#write('finalResult', this.#fold.result());
    const metadata = this.#fold.metadata(this.#firstTimestamp());
    await this.#write('metadata', this.#settled ? { ...metadata, settled: true } : metadata);
  }

  async #write(file: (typeof DOCUMENTS)[number], document: object | undefined): Promise<void> {
    if (document === undefined) return;
    const text = `${redactJson(JSON.stringify(document))}\n`;
    if (this.#written.get(file) === text) return;
    await replaceFile(join(this.#dir, TASK_FILES[file]), text);
    this.#written.set(file, text);
  }
}

interface Loaded {
  readonly files: Record<LineFileName, LineFile>;
  readonly facts: FactLine[];
}

async function load(dir: string): Promise<Loaded> {
  const facts: FactLine[] = [];
  const path = (file: LineFileName): string => join(dir, TASK_FILES[file]);
  const files = {
    webhookFlow: await LineFile.open(path('webhookFlow'), eventKey),
    agentOutput: await LineFile.open(path('agentOutput'), eventKey),
    facts: await LineFile.open(path('facts'), factKey, (line) => {
      if (isFactLine(line)) facts.push(line);
    }),
    trace: await LineFile.open(path('trace'), traceKey),
  };
  return { files, facts };
}

/** What an earlier process was writing when it died goes; returns the names of all else. */
async function removeTemps(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir);
  const isTemp = (name: string): boolean =>
    Object.values(TASK_FILES).some((file) => isTempNameOf(name, file));
  for (const name of names.filter(isTemp)) await rm(join(dir, name), { force: true });
  return names.filter((name) => !isTemp(name));
}

function isSettled(metadata: string | undefined): boolean {
  try {
    const value: unknown = JSON.parse(metadata ?? '{}');
    return isJsonObject(value) && value.settled === true;
  } catch {
    // Damaged by hand: the fold writes it anew.
    return false;
  }
}
