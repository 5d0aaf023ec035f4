import type { SpanIds } from '../model/fact.ts';
import type { JsonObject } from '../model/json.ts';
import { isFailure } from '../model/workflow.ts';
import { countRuns, type NodeId, nodeKey, parentNode } from '../model/workflow-node.ts';

/** A node that an earlier process started and did not end. */
export interface ResumedNode {
  readonly startedAtMs: number;
  readonly ids: SpanIds | undefined;
}

export interface NodeStart {
  readonly attempt: number;
  /** Undefined for a new attempt. */
  readonly resumed: ResumedNode | undefined;
}

export interface AttemptStart {
  readonly attempt: number;
  readonly startedAtMs: number;
  /** The attempt of the parent node. Default: its newest. */
  readonly parentAttempt?: number;
  /** Whether the caller holds this attempt open. Default false: an earlier process started it. */
  readonly isOwn?: boolean;
  /** Given when this process starts the attempt. */
  readonly startedSteadyMs?: number;
}

export interface AttemptEnd {
  readonly attempt: number;
  readonly status: string;
  readonly error: string | null;
}

interface Attempt {
  readonly parentAttempt: number;
  readonly startedAtMs: number;
  /** Start on a clock that only runs forward, when this process made it. */
  readonly startedSteadyMs: number | undefined;
  isOwn: boolean;
  ids: SpanIds | undefined;
  /** Null while the attempt is open. */
  status: string | null;
  error: string | null;
}

interface NodeProgress extends NodeId {
  /** The number of the newest attempt. */
  starts: number;
  /** By number. Numbers are missing where only the count of the starts is known. */
  readonly attempts: Map<number, Attempt>;
  isSkipped: boolean;
  /** Whether an attempt failed and the node was neither started again nor skipped since. */
  hasFailed: boolean;
}

interface Artifact extends NodeId {
  readonly attempt: number;
  readonly phaseAttempt: number;
  readonly summary: JsonObject;
}

/** The `summary` of a `workflow_complete` event. */
export interface Summary {
  readonly phases_executed: number;
  readonly steps_executed: number;
  readonly artifacts_created: number;
  readonly retries_used: number;
}

const DONE = new Set(['success', 'warning']);

/** The progress of a workflow run: what earlier processes recorded, and what this one adds. */
export class Progress {
  readonly #nodes = new Map<string, NodeProgress>();
  /** By key. */
  readonly #artifacts = new Map<string, Artifact>();
  /** Artifacts of earlier processes of which only the number is known. */
  #countedArtifacts = 0;
  /** Whether this process started a further attempt of the workflow. */
  #isReopened = false;

  /** Starts the next attempt of a node, or resumes the attempt that an earlier process left open. */
  start(id: NodeId, nowMs: number): NodeStart {
    const node = this.#node(id);
    node.isSkipped = false;
    node.hasFailed = false;
    const open = resumableAttempt(node);
    if (open !== undefined) {
      const [attempt, known] = open;
      known.isOwn = true;
      return { attempt, resumed: { startedAtMs: known.startedAtMs, ids: known.ids } };
    }
    if (id.phase === null && node.starts > 0) this.#isReopened = true;
    const attempt = node.starts + 1;
    const startedSteadyMs = performance.now();
    this.addStart(id, { attempt, startedAtMs: nowMs, startedSteadyMs, isOwn: true });
    return { attempt, resumed: undefined };
  }

  /** Adds an attempt that was started. A known attempt stays as it is. */
  addStart(id: NodeId, start: AttemptStart): void {
    const { attempt, startedAtMs, startedSteadyMs, parentAttempt, isOwn = false } = start;
    const node = this.#node(id);
    if (node.attempts.has(attempt)) return;
    node.starts = Math.max(node.starts, attempt);
    node.isSkipped = false;
    node.hasFailed = false;
    node.attempts.set(attempt, {
      parentAttempt: parentAttempt ?? this.attemptOf(parentNode(id)),
      startedAtMs,
      startedSteadyMs,
      isOwn,
      ids: undefined,
      status: null,
      error: null,
    });
  }

  /** Raises the number of starts of a node; nothing else is known of those attempts. */
  addStartCount(id: NodeId, count: number): void {
    const node = this.#node(id);
    node.starts = Math.max(node.starts, count);
  }

  /** Ends an attempt. An attempt that is not known is ignored. */
  addEnd(id: NodeId, { attempt: number, status, error }: AttemptEnd): void {
    const node = this.#node(id);
    const attempt = node.attempts.get(number);
    if (attempt === undefined) return;
    attempt.status = status;
    attempt.error = error;
    if (isFailure(status)) node.hasFailed = true;
  }

  /** Skips the open attempt of a node, else the next one, and returns its number. A skip is no start. */
  skip(id: NodeId): number {
    const node = this.#node(id);
    node.isSkipped = true;
    node.hasFailed = false;
    return this.isOpen(id) ? node.starts : node.starts + 1;
  }

  /** Sets the ids of the span that an earlier process announced for an attempt. */
  setSpanIds(id: NodeId, attempt: number, ids: SpanIds): void {
    const known = this.#node(id).attempts.get(attempt);
    if (known !== undefined) known.ids = ids;
  }

  /** The number of the newest attempt; 0 before the first start. */
  attemptOf(id: NodeId): number {
    return this.#nodes.get(nodeKey(id))?.starts ?? 0;
  }

  /** Milliseconds since the epoch; undefined for an attempt that is not known. */
  startedAtMs(id: NodeId, attempt: number): number | undefined {
    return this.#nodes.get(nodeKey(id))?.attempts.get(attempt)?.startedAtMs;
  }

  /**
   * Milliseconds since the start of an attempt; 0 for one that is not known. Where another process started it, the
   * difference to `nowMs` on the wall clock, which may step back: never negative.
   */
  elapsedMs(id: NodeId, attempt: number, nowMs: number): number {
    const known = this.#nodes.get(nodeKey(id))?.attempts.get(attempt);
    if (known?.startedSteadyMs !== undefined) return Math.round(performance.now() - known.startedSteadyMs);
    return Math.max(0, nowMs - (known?.startedAtMs ?? nowMs));
  }

  /** Whether the newest attempt was started and has not ended. */
  isOpen(id: NodeId): boolean {
    const node = this.#nodes.get(nodeKey(id));
    return node?.attempts.get(node.starts)?.status === null;
  }

  /** Whether the newest attempt ended well or was skipped. */
  isDone(id: NodeId): boolean {
    const node = this.#nodes.get(nodeKey(id));
    if (node === undefined) return false;
    return node.isSkipped || DONE.has(node.attempts.get(node.starts)?.status ?? '');
  }

  /** The latest consecutive failures of a node in earlier processes, within the newest attempt of its parent. */
  earlierFailures(id: NodeId): {
    readonly count: number;
    readonly last: string | null;
    readonly isOpen: boolean;
  } {
    const node = this.#nodes.get(nodeKey(id));
    const newest = node?.attempts.get(node.starts);
    const isOpen = newest?.status === null;
    if (node === undefined || newest === undefined || newest.isOwn || this.#isReopened)
      return { count: 0, last: null, isOpen };
    const parentAttempt = this.attemptOf(parentNode(id));
    let count = 0;
    for (let number = isOpen ? node.starts - 1 : node.starts; number > 0; number -= 1) {
      const attempt = node.attempts.get(number);
      // An unknown attempt was followed by another start, so it failed. Its parent attempt is known only if there was one.
      const isCounted =
        attempt === undefined
          ? parentAttempt === 1
          : isFailure(attempt.status) && attempt.parentAttempt === parentAttempt;
      if (!isCounted) break;
      count += 1;
    }
    return { count, last: newest.error, isOpen };
  }

  /**
   * The phases of the workflow, or the steps within an attempt of a phase, that failed and were neither started again nor
   * skipped since. Their parent fails with them.
   */
  failedChildren(parent: NodeId, attempt: number): NodeId[] {
    return this.#children(parent).filter(
      (node) =>
        node.hasFailed &&
        (parent.phase === null || node.attempts.get(node.starts)?.parentAttempt === attempt),
    );
  }

  /** The steps that ended within an attempt of a phase, each listed once. */
  endedSteps(phase: NodeId, attempt: number): NodeId[] {
    return this.#children(phase).filter(({ attempts }) =>
      [...attempts.values()].some((one) => one.parentAttempt === attempt && one.status !== null),
    );
  }

  /** Adds an artifact. False when its key is known; see `artifactIdentity`. */
  addArtifact(
    { phase, step }: NodeId,
    {
      attempt,
      key,
      summary,
    }: { readonly attempt: number; readonly key: string; readonly summary: JsonObject },
  ): boolean {
    if (this.#artifacts.has(key)) return false;
    const phaseAttempt = this.attemptOf({ phase, step: null });
    this.#artifacts.set(key, { phase, step, attempt, phaseAttempt, summary });
    return true;
  }

  hasArtifact(key: string): boolean {
    return this.#artifacts.has(key);
  }

  /** Adds artifacts of earlier processes of which only the number is known. */
  addArtifactCount(count: number): void {
    this.#countedArtifacts += count;
  }

  /** Artifacts of an attempt and of the nodes below it. For the workflow: those of all its attempts. */
  artifactsOf({ phase, step }: NodeId, attempt: number): JsonObject[] {
    const isWithin = (artifact: Artifact): boolean => {
      if (phase === null) return true;
      if (artifact.phase !== phase) return false;
      if (step === null) return artifact.phaseAttempt === attempt;
      return artifact.step === step && artifact.attempt === attempt;
    };
    return [...this.#artifacts.values()].filter(isWithin).map(({ summary }) => summary);
  }

  /** All artifacts with their keys, in the order in which they became known. */
  get artifacts(): readonly (Artifact & { readonly key: string })[] {
    return [...this.#artifacts].map(([key, artifact]) => ({ key, ...artifact }));
  }

  /** The phases and steps that were started, in the order in which they became known, with the number of starts. */
  get starts(): readonly (NodeId & { readonly starts: number })[] {
    return [...this.#nodes.values()].filter(
      ({ phase, step, starts }) => starts > 0 && (phase ?? step) !== null,
    );
  }

  summary(): Summary {
    const { phases, steps, retries } = countRuns(this.starts);
    return {
      phases_executed: phases,
      steps_executed: steps,
      artifacts_created: this.#artifacts.size + this.#countedArtifacts,
      retries_used: retries,
    };
  }

  #node({ phase, step }: NodeId): NodeProgress {
    const key = nodeKey({ phase, step });
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = { phase, step, starts: 0, attempts: new Map(), isSkipped: false, hasFailed: false };
      this.#nodes.set(key, node);
    }
    return node;
  }

  #children({ phase }: NodeId): NodeProgress[] {
    return [...this.#nodes.values()].filter((node) =>
      phase === null ? node.phase !== null && node.step === null : node.phase === phase && node.step !== null,
    );
  }
}

/** The lowest open attempt of an earlier process. When the newest attempt has ended, the earlier ones count as ended too. */
function resumableAttempt({ attempts, starts }: NodeProgress): [number, Attempt] | undefined {
  if (attempts.get(starts)?.status !== null) return undefined;
  return [...attempts].sort(([a], [b]) => a - b).find(([, { status, isOwn }]) => status === null && !isOwn);
}
