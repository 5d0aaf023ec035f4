import type { AgentOutput, AgentRecording, OutputPlace } from '../model/agent-output.ts';
import {
  BUDGET_KINDS,
  type Budget,
  type BudgetKind,
  exceededKind,
  isNearlyUsed,
  NOTHING_SPENT,
  roundedUse,
  type Spent,
  shareOf,
  spentText,
} from '../model/budget.ts';
import type { Child } from './child.ts';
import type { DialectReader } from './dialects/dialect.ts';
import type { Stop } from './outcome.ts';
import type { BudgetNotes, RunFacts, RunFolder } from './run-folder.ts';
import type { RunOutput } from './run-output.ts';

/** The limits of a task, for one of its runs. */
export interface RunBudget {
  readonly limits: Budget;
  /** What the telemetry of the whole task says so far; undefined: nothing. Never rejects. */
  readonly reported?: (() => Promise<Omit<Spent, 'seconds'> | undefined>) | undefined;
}

export interface WatchedRun {
  readonly folder: RunFolder;
  readonly child: Child;
  readonly output: RunOutput;
  readonly reader: DialectReader;
  readonly facts: RunFacts;
}

/** A limit is passed by half a second at most; each look costs some microseconds. */
const LOOK_MS = 250;

/** Telemetry comes every few seconds. */
const REPORT_MS = 1_000;

/** The place of notices among the outputs of a run: behind all lines that an agent can print. */
const NOTICE_LINE = 2 ** 32 - 1;

export const BUDGET_EXCEEDED = 'budget_exceeded';

/** Why no further run may start; undefined when there is room. */
export function usedUp(budget: RunBudget | undefined, recording: AgentRecording): Stop | undefined {
  const spent = recording.used?.({}) ?? NOTHING_SPENT;
  const kind = budget && exceededKind(budget.limits, spent);
  return kind && stopOf(kind, spent[kind], budget.limits[kind] ?? 0);
}

/** Measures a run while it goes on: by its own output, its time and the telemetry of its task. Ends it at a limit. */
export class BudgetWatch {
  readonly #run: WatchedRun;
  readonly #budget: RunBudget;
  readonly #recording: AgentRecording;
  /** What was used before this run began. */
  readonly #before: Spent;
  /** Milliseconds that the run had lasted when this process began to watch it, and the monotonic clock then. */
  readonly #lastedMs: number;
  readonly #sinceMs = performance.now();
  #reported: Omit<Spent, 'seconds'> | undefined;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #facts: RunFacts;
  #stop: Stop | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(run: WatchedRun, budget: RunBudget, recording: AgentRecording) {
    this.#run = run;
    this.#budget = budget;
    this.#recording = recording;
    this.#facts = run.facts;
    this.#before = recording.used?.({}) ?? NOTHING_SPENT;
    // The only clock that two processes share is the wall clock.
    this.#lastedMs = Math.max(0, Date.now() - run.facts.startedAtMs);
    for (const [kind, note] of Object.entries(run.facts.budgetNotes ?? {})) this.#repeat(kind, note);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    void run.child.exited.then(() => clearInterval(this.#timer));
    this.#look();
  }

  /** Why it has ended the run. */
  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** A last look, when the agent has ended and all its output is read. What it did in time stays done. */
  async settle(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ask();
    const { usd, tokens } = this.#spent();
    this.#judge({ usd, tokens, seconds: this.#before.seconds });
  }

  #look(): void {
    if (this.#stop !== undefined) return;
    if (performance.now() - this.#reportedAtMs >= REPORT_MS) void this.#ask();
    this.#judge(this.#spent());
  }

  async #ask(): Promise<void> {
    const { reported } = this.#budget;
    if (reported === undefined || this.#isAsking) return;
    this.#isAsking = true;
    try {
      this.#reported = (await reported()) ?? this.#reported;
    } finally {
      this.#isAsking = false;
      this.#reportedAtMs = performance.now();
    }
  }

  /** Of what several sources say the largest amount: each of them may have seen a part only. */
  #spent(): Spent {
    const { reader } = this.#run;
    const usage = reader.spent?.() ?? (reader.isFinal ? reader.verdict().usage : {});
    const own = this.#recording.used?.(usage) ?? {
      ...NOTHING_SPENT,
      usd: usage.costUsd ?? 0,
      tokens: (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0),
    };
    const seconds = (this.#lastedMs + performance.now() - this.#sinceMs) / 1_000;
    return {
      usd: Math.max(own.usd, this.#reported?.usd ?? 0),
      tokens: Math.max(own.tokens, this.#reported?.tokens ?? 0),
      seconds: this.#before.seconds + seconds,
    };
  }

  #judge(spent: Spent): void {
    const { limits } = this.#budget;
    for (const kind of BUDGET_KINDS) {
      const limit = limits[kind];
      // What is used up has a notice of its own.
      if (limit === undefined || !isNearlyUsed(spent[kind], limit) || spent[kind] >= limit) continue;
      // An earlier run of the task has said it.
      if (!isNearlyUsed(this.#before[kind], limit)) this.#note(kind, spent[kind], limit);
    }
    const kind = exceededKind(limits, spent);
    if (kind !== undefined) this.#end(kind, spent[kind], limits[kind] ?? 0);
  }

  #note(name: string, used: number, limit: number): void {
    if (this.#facts.budgetNotes?.[name] !== undefined) return;
    const note = { used: roundedUse(used), limit, timeMs: Date.now() };
    this.#facts = { ...this.#facts, budgetNotes: { ...this.#facts.budgetNotes, [name]: note } };
    try {
      this.#run.folder.writeFacts({ ...this.#run.folder.readFacts(), ...this.#facts });
    } catch {
      // ENOSPC: after a crash of this process the notice may come with another time.
    }
    this.#say(name, note);
    const [kind = ''] = name.split(' ');
    this.#recording.notice?.({ kind, used: note.used, limit, exceeded: name !== kind, timeMs: note.timeMs });
  }

  #say(name: string, { used, limit, timeMs }: BudgetNotes[string]): void {
    const index = BUDGET_KINDS.findIndex((kind) => name.startsWith(kind));
    const kind = BUDGET_KINDS[index];
    if (kind === undefined) return;
    const isEnd = name !== kind;
    const place: OutputPlace = {
      stream: 'stderr',
      line: NOTICE_LINE,
      index: 2 * index + Number(isEnd),
      timeMs,
    };
    this.#recording.output(noticeOf(kind, { used, limit, isEnd }), place);
  }

  /** What the process before has said: the store knows it by its id, unless that process was killed in between. */
  #repeat(name: string, note: BudgetNotes[string]): void {
    this.#say(name, note);
    const kind = BUDGET_KINDS.find((known) => name === endNameOf(known));
    if (kind === undefined) return;
    this.#stop = stopOf(kind, note.used, note.limit);
    this.#run.child.stop();
  }

  #end(kind: BudgetKind, used: number, limit: number): void {
    if (this.#stop !== undefined) return;
    const { child, output, reader } = this.#run;
    // As with a timeout: the work was done in time, only the exit was not.
    if (kind === 'seconds' && reader.isFinal) output.markLingered();
    else {
      this.#stop = stopOf(kind, used, limit);
      this.#note(endNameOf(kind), used, limit);
    }
    child.stop();
  }
}

function endNameOf(kind: BudgetKind): string {
  return `${kind} exceeded`;
}

function noticeOf(
  kind: BudgetKind,
  { used, limit, isEnd }: { readonly used: number; readonly limit: number; readonly isEnd: boolean },
): AgentOutput {
  const how = spentText(kind, used, limit);
  return {
    type: isEnd ? 'error' : 'system',
    content: isEnd
      ? `the budget is used up, the agent is ended: ${how}`
      : `${shareOf(used, limit)} % of the budget is used: ${how}`,
    more: { budget: kind, budget_used: used, budget_limit: limit, ...(!isEnd && { level: 'warning' }) },
  };
}

function stopOf(kind: BudgetKind, used: number, limit: number): Stop {
  return { errorType: BUDGET_EXCEEDED, error: `budget exceeded: ${spentText(kind, used, limit)}` };
}
