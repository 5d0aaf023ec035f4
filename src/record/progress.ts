import type { SpanIds } from '../model/fact.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts';

/** The workflow itself, a phase of it, or a step of a phase. */
export interface Place {
  readonly phase: string | null;
  readonly step: string | null;
}

/** What an earlier process began and did not end. */
export interface Resumed {
  readonly startedAtMs: number;
  readonly ids: SpanIds | undefined;
}

export interface Opening {
  readonly attempt: number;
  /** Undefined for a start of its own. */
  readonly resumed: Resumed | undefined;
}

/** One start of a place, as far as it is known. */
interface Attempt {
  /** Which attempt of the place above it belongs to. */
  readonly above: number;
  readonly startedAtMs: number;
  ids: SpanIds | undefined;
  /** Null while it is open. */
  status: string | null;
  error: string | null;
  /** Whether this process has it in hand. */
  isOurs: boolean;
}

interface Start {
  readonly attempt: number;
  readonly startedAtMs: number;
  /** Which attempt of the place above it belongs to. Default: the newest. */
  readonly above?: number;
  readonly isOurs?: boolean;
}

interface WorkflowNode extends Place {
  /** The number of the newest attempt. */
  starts: number;
  readonly attempts: Map<number, Attempt>;
  isSkipped: boolean;
  /** Whether something failed here that no later start and no skip made good. */
  hasFailed: boolean;
}

interface Artifact extends Place {
  readonly attempt: number;
  readonly phaseAttempt: number;
  readonly summary: JsonObject;
}

export interface Summary {
  readonly phases_executed: number;
  readonly steps_executed: number;
  readonly artifacts_created: number;
  readonly retries_used: number;
}

const DONE = new Set(['success', 'warning']);

export const WORKFLOW: Place = { phase: null, step: null };

/** How far a run of a workflow has come: what is known of earlier processes, and what this one adds. */
export class Progress {
  readonly #nodes = new Map<string, WorkflowNode>();
  readonly #artifacts: Artifact[] = [];
  readonly #artifactKeys = new Set<string>();
  /** Artifacts of earlier processes of which only the number is known. */
  #countedArtifacts = 0;
  #isReopened = false;

  /** The next attempt of a place, or the open one of an earlier process, which goes on. */
  open(place: Place, nowMs: number): Opening {
    const node = this.#node(place);
    node.isSkipped = false;
    node.hasFailed = false;
    const left = leftOpen(node);
    if (left !== undefined) {
      const [attempt, known] = left;
      known.isOurs = true;
      return { attempt, resumed: { startedAtMs: known.startedAtMs, ids: known.ids } };
    }
    if (place.phase === null && node.starts > 0) this.#isReopened = true;
    const attempt = node.starts + 1;
    this.begin(place, { attempt, startedAtMs: nowMs, isOurs: true });
    return { attempt, resumed: undefined };
  }

  /** A start; of one that is known already nothing changes. */
  begin(place: Place, start: Start): void {
    const node = this.#node(place);
    if (node.attempts.has(start.attempt)) return;
    node.starts = Math.max(node.starts, start.attempt);
    node.isSkipped = false;
    node.hasFailed = false;
    node.attempts.set(start.attempt, {
      above: start.above ?? this.attemptOf(above(place)),
      startedAtMs: start.startedAtMs,
      ids: undefined,
      status: null,
      error: null,
      isOurs: start.isOurs ?? false,
    });
  }

  /** That there were so many starts, of which nothing else is known. */
  countStarts(place: Place, count: number): void {
    const node = this.#node(place);
    node.starts = Math.max(node.starts, count);
  }

  finish(place: Place, end: { attempt: number; status: string; error: string | null }): void {
    const node = this.#node(place);
    const attempt = node.attempts.get(end.attempt);
    if (attempt === undefined) return;
    attempt.status = end.status;
    attempt.error = end.error;
    if (end.status === 'failure') node.hasFailed = true;
  }

  /** The attempt that is left out: the open one, else the next. Skipping starts nothing. */
  skip(place: Place): number {
    const node = this.#node(place);
    node.isSkipped = true;
    node.hasFailed = false;
    return this.isOpen(place) ? node.starts : node.starts + 1;
  }

  /** The ids of a span that an earlier process announced. */
  name(place: Place, attempt: number, ids: SpanIds): void {
    const known = this.#node(place).attempts.get(attempt);
    if (known !== undefined) known.ids = ids;
  }

  /** 0 before the first start. */
  attemptOf(place: Place): number {
    return this.#nodes.get(keyOf(place))?.starts ?? 0;
  }

  /** Whether the newest attempt was started and has not ended. */
  isOpen(place: Place): boolean {
    const node = this.#nodes.get(keyOf(place));
    return node?.attempts.get(node.starts)?.status === null;
  }

  isDone(place: Place): boolean {
    const node = this.#nodes.get(keyOf(place));
    if (node === undefined) return false;
    return node.isSkipped || DONE.has(node.attempts.get(node.starts)?.status ?? '');
  }

  /** How often in a row it has failed in earlier processes, below the open attempt of what is above. */
  failuresBefore(place: Place): { readonly count: number; readonly last: string | null; isOpen: boolean } {
    const node = this.#nodes.get(keyOf(place));
    const newest = node?.attempts.get(node.starts);
    const isOpen = newest?.status === null;
    if (node === undefined || newest === undefined || newest.isOurs || this.#isReopened)
      return { count: 0, last: null, isOpen };
    const around = this.attemptOf(above(place));
    let count = 0;
    for (let number = isOpen ? node.starts - 1 : node.starts; number > 0; number -= 1) {
      const attempt = node.attempts.get(number);
      // Of attempts that nobody told of: what is started again has failed, and here it can only have been here.
      const isOne =
        attempt === undefined ? around === 1 : attempt.status === 'failure' && attempt.above === around;
      if (!isOne) break;
      count += 1;
    }
    return { count, last: newest.error, isOpen };
  }

  /** Whether something right below failed and was not made good; of a phase, below this attempt of it. */
  hasFailedBelow(place: Place, attempt: number): boolean {
    return this.#below(place).some(
      (node) => node.hasFailed && (place.phase === null || node.attempts.get(node.starts)?.above === attempt),
    );
  }

  /** Steps that ended below this attempt of a phase, each counted once. */
  completedBelow(place: Place, attempt: number): number {
    return this.#below(place).filter(({ attempts }) =>
      [...attempts.values()].some((one) => one.above === attempt && one.status !== null),
    ).length;
  }

  /** False when the same was said before, in the same attempt. */
  addArtifact(
    place: Place,
    artifact: { attempt: number; payload: JsonObject; summary: JsonObject },
  ): boolean {
    const { attempt, payload, summary } = artifact;
    const key = canonicalText([place.phase, place.step, attempt, payload]);
    if (this.#artifactKeys.has(key)) return false;
    this.#artifactKeys.add(key);
    const phaseAttempt = this.attemptOf({ phase: place.phase, step: null });
    this.#artifacts.push({ phase: place.phase, step: place.step, attempt, phaseAttempt, summary });
    return true;
  }

  countArtifacts(count: number): void {
    this.#countedArtifacts += count;
  }

  /** Artifacts of this attempt and of everything below it; of the workflow, those of all attempts. */
  artifactsOf({ phase, step }: Place, attempt: number): JsonObject[] {
    const isWithin = (one: Artifact): boolean => {
      if (phase === null) return true;
      if (one.phase !== phase) return false;
      return step === null ? one.phaseAttempt === attempt : one.step === step && one.attempt === attempt;
    };
    return this.#artifacts.filter(isWithin).map(({ summary }) => summary);
  }

  summary(): Summary {
    const started = [...this.#nodes.values()].filter(({ starts }) => starts > 0);
    const phases = started.filter(({ phase, step }) => phase !== null && step === null);
    const steps = started.filter(({ step }) => step !== null);
    const withSteps = new Set(steps.map(({ phase }) => phase));
    // A phase that is tried again tries its steps again: those are the retries.
    const retried = [...steps, ...phases.filter(({ phase }) => !withSteps.has(phase))];
    return {
      phases_executed: phases.length,
      steps_executed: steps.length,
      artifacts_created: this.#artifacts.length + this.#countedArtifacts,
      retries_used: retried.reduce((sum, { starts }) => sum + starts - 1, 0),
    };
  }

  #node({ phase, step }: Place): WorkflowNode {
    const key = keyOf({ phase, step });
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = { phase, step, starts: 0, attempts: new Map(), isSkipped: false, hasFailed: false };
      this.#nodes.set(key, node);
    }
    return node;
  }

  #below({ phase }: Place): WorkflowNode[] {
    return [...this.#nodes.values()].filter((node) =>
      phase === null ? node.phase !== null && node.step === null : node.phase === phase && node.step !== null,
    );
  }
}

/** The lowest open attempt of an earlier process. When the newest is over, so is what came before it. */
function leftOpen({ attempts, starts }: WorkflowNode): [number, Attempt] | undefined {
  if (attempts.get(starts)?.status !== null) return undefined;
  return [...attempts].sort(([a], [b]) => a - b).find(([, { status, isOurs }]) => status === null && !isOurs);
}

function above({ phase, step }: Place): Place {
  return step === null ? WORKFLOW : { phase, step: null };
}

/** JSON whose objects have their names in order. */
function canonicalText(value: JsonValue): string {
  return JSON.stringify(value, (_name, item: JsonValue) =>
    isJsonObject(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : Number(a > b))))
      : item,
  );
}

function keyOf({ phase, step }: Place): string {
  return JSON.stringify([phase, step]);
}
