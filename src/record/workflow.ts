import { type Context, context } from '@opentelemetry/api';
import { ATTR } from '../model/attributes.ts';
import { type WorkflowEventType, workflowEventName } from '../model/events.ts';
import { checkWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../model/json.ts';
import { mintMoment, mintWorkflowId } from './mint.ts';
import type { SpanAttributes } from './recorder.ts';
import { failureOf, Scope } from './scope.ts';

export interface WorkflowOptions {
  readonly workItemId?: string;
  /** Names of the phases that are planned. */
  readonly phases?: readonly string[];
  /** A given id is taken as given: same id, same run. Throws `ERR_ID_INVALID` when it could not be part of a path. */
  readonly workflowId?: string;
  readonly branch?: string;
  readonly autonomyLevel?: string;
}

export interface PhaseOptions {
  /** Names of the steps that are planned. */
  readonly steps?: readonly string[];
}

export interface StepOptions {
  readonly skill?: string;
}

export interface ArtifactInput {
  readonly type: string;
  readonly path?: string;
  readonly metadata?: JsonObject;
  readonly [more: string]: JsonValue | undefined;
}

type StepStatus = 'success' | 'warning' | 'failure' | 'pending_input';
type Status = 'success' | 'failure';

interface WorkflowStart extends WorkflowOptions {
  readonly taskAttributes?: Readonly<Record<string, JsonValue>>;
  readonly parent: Context;
}

interface LevelStart {
  readonly name: string;
  /** On this span, on its events and on everything below. */
  readonly identity: SpanAttributes;
  /** On this span alone. */
  readonly own?: SpanAttributes;
  readonly parent: Context;
}

/** Where a phase or a step hangs. */
interface Place {
  readonly identity: SpanAttributes;
  readonly parent: Context;
}

/** Shared by the three levels: an open span, a clock, and an end that happens once. */
abstract class Level {
  protected readonly scope: Scope;
  protected readonly identity: SpanAttributes;
  readonly #startedAtMs: number;
  #ended = false;
  /** Names of what failed below it and was not started again since: a retry that goes well makes good. */
  protected readonly failed: Set<string> = new Set();

  constructor({ name, identity, own, parent }: LevelStart) {
    this.identity = identity;
    this.scope = new Scope({ name, kind: 'internal', parent, attributes: { ...identity, ...own } });
    this.#startedAtMs = mintMoment().timeMs;
  }

  get context(): Context {
    return this.scope.context;
  }

  protected emit(
    type: WorkflowEventType,
    payload: JsonObject,
    extra: Record<string, JsonValue | undefined> = {},
  ): void {
    this.scope.emit(workflowEventName(type), {
      body: payload,
      attributes: { ...this.identity, ...extra },
    });
  }

  protected durationMs(): number {
    return mintMoment().timeMs - this.#startedAtMs;
  }

  /** True the first time only. */
  protected close(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    return true;
  }

  async within<T>(fn: () => Promise<T> | T, ends: { end(): void; fail(error: unknown): void }): Promise<T> {
    try {
      const value = await context.with(this.scope.context, async () => fn());
      ends.end();
      return value;
    } catch (error) {
      ends.fail(error);
      throw error;
    }
  }
}

export class Step extends Level {
  readonly #name: string;
  readonly #skill: string | null;
  readonly #phase: Phase;
  readonly #artifacts: JsonObject[] = [];
  #status: StepStatus = 'success';

  /** Opened by `phase.step` or `phase.startStep`. */
  constructor(phase: Phase, name: string, options: StepOptions, at: Place) {
    super({
      name: `step ${name}`,
      identity: { ...at.identity, [ATTR.stepName]: name, [ATTR.stepSkill]: options.skill },
      parent: at.parent,
    });
    this.#phase = phase;
    this.#name = name;
    this.#skill = options.skill ?? null;
    const step = { name, skill: this.#skill };
    this.emit('step_start', { phase: phase.name, step }, this.scope.announcement());
  }

  /** What the step came to when it ends without an error; `failure` shows in phase and workflow as well. */
  status(status: StepStatus): void {
    this.#status = status;
  }

  artifact(artifact: ArtifactInput): void {
    const plain = toJsonValue(artifact);
    const { metadata = {}, ...summary } = isJsonObject(plain) ? plain : {};
    this.#artifacts.push(summary);
    this.#phase.countArtifact(summary);
    const attributes = { [ATTR.artifactType]: summary.type, [ATTR.artifactPath]: summary.path };
    this.emit('artifact_create', { artifact: { ...summary, metadata }, step: this.#name }, attributes);
    this.scope.addSpanEvent(workflowEventName('artifact_create'), attributes, mintMoment().timeMs);
  }

  async run<T>(fn: (step: Step) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  end(): void {
    this.#finish(this.#status);
  }

  fail(error: unknown): void {
    this.#finish('failure', error);
  }

  #finish(status: StepStatus, error?: unknown): void {
    if (!this.close()) return;
    const failure = error === undefined ? undefined : failureOf(error);
    this.emit(
      'step_complete',
      {
        phase: this.#phase.name,
        step: {
          name: this.#name,
          skill: this.#skill,
          status,
          duration_ms: this.durationMs(),
          error: failure?.message ?? null,
        },
        artifacts: [...this.#artifacts],
      },
      { [ATTR.stepStatus]: status },
    );
    this.scope.setAttributes({ [ATTR.stepStatus]: status });
    this.#phase.countStep(this.#name, status);
    this.scope.end(failure ?? (status === 'failure' ? { errorType: 'step_failed' } : undefined));
  }
}

export class Phase extends Level {
  readonly name: string;
  readonly #workflow: Workflow;
  #steps = 0;
  #artifacts = 0;

  /** Opened by `workflow.phase` or `workflow.startPhase`. */
  constructor(workflow: Workflow, name: string, options: PhaseOptions, at: Place) {
    super({ name: `phase ${name}`, identity: { ...at.identity, [ATTR.phaseName]: name }, parent: at.parent });
    this.name = name;
    this.#workflow = workflow;
    this.emit('phase_start', { phase: name, steps: options.steps ?? [] }, this.scope.announcement());
  }

  /** Opens a step, runs `fn` with it and closes it whatever happens; `fn`'s own exception comes back unchanged. */
  async step<T>(name: string, options: StepOptions, fn: (step: Step) => Promise<T> | T): Promise<T> {
    return this.startStep(name, options).run(fn);
  }

  /** The pair form of `step`: close it with `.end()` or `.fail(error)`. */
  startStep(name: string, options: StepOptions = {}): Step {
    this.failed.delete(name);
    return new Step(this, name, options, { identity: this.identity, parent: this.scope.context });
  }

  countStep(name: string, status: StepStatus): void {
    this.#steps += 1;
    this.#workflow.countStep();
    if (status === 'failure') this.failed.add(name);
  }

  countArtifact(artifact: JsonObject): void {
    this.#artifacts += 1;
    this.#workflow.countArtifact(artifact);
  }

  async run<T>(fn: (phase: Phase) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  end(): void {
    this.#finish(this.failed.size === 0 ? undefined : { errorType: 'step_failed' });
  }

  fail(error: unknown): void {
    this.#finish(failureOf(error));
  }

  #finish(failure: { errorType: string; message?: string } | undefined): void {
    if (!this.close()) return;
    const status: Status = failure === undefined ? 'success' : 'failure';
    this.emit('phase_complete', {
      phase: this.name,
      status,
      duration_ms: this.durationMs(),
      steps_completed: this.#steps,
      artifacts_created: this.#artifacts,
    });
    this.#workflow.countPhase(this.name, status);
    this.scope.end(failure);
  }
}

export class Workflow extends Level {
  readonly id: string;
  readonly #artifacts: JsonObject[] = [];
  #phases = 0;
  #steps = 0;

  /** Opened by `task.workflow`, `task.startWorkflow` or the package's `startWorkflow`. */
  constructor(id: string, name: string, start: WorkflowStart) {
    super({
      name: `workflow ${name}`,
      identity: identityOf(id, start),
      own: {
        [ATTR.genAiOperation]: 'invoke_workflow',
        [ATTR.genAiWorkflowName]: name,
        [ATTR.pipelineName]: name,
        [ATTR.pipelineRunId]: id,
      },
      parent: start.parent,
    });
    this.id = id;
    this.emit(
      'workflow_start',
      {
        context: {
          work_item_id: start.workItemId ?? null,
          branch: start.branch ?? null,
          autonomy_level: start.autonomyLevel ?? null,
        },
      },
      this.scope.announcement(),
    );
  }

  /** Opens a phase, runs `fn` with it and closes it whatever happens; `fn`'s own exception comes back unchanged. */
  async phase<T>(name: string, options: PhaseOptions, fn: (phase: Phase) => Promise<T> | T): Promise<T> {
    return this.startPhase(name, options).run(fn);
  }

  /** The pair form of `phase`: close it with `.end()` or `.fail(error)`. */
  startPhase(name: string, options: PhaseOptions = {}): Phase {
    this.failed.delete(name);
    return new Phase(this, name, options, { identity: this.identity, parent: this.scope.context });
  }

  countPhase(name: string, status: Status): void {
    this.#phases += 1;
    if (status === 'failure') this.failed.add(name);
  }

  countStep(): void {
    this.#steps += 1;
  }

  countArtifact(artifact: JsonObject): void {
    this.#artifacts.push(artifact);
  }

  async run<T>(fn: (workflow: Workflow) => Promise<T> | T): Promise<T> {
    return this.within(() => fn(this), this);
  }

  end(): void {
    this.#finish(this.failed.size === 0 ? undefined : { errorType: 'phase_failed' });
  }

  fail(error: unknown): void {
    this.#finish(failureOf(error));
  }

  #finish(failure: { errorType: string; message?: string } | undefined): void {
    if (!this.close()) return;
    const status: Status = failure === undefined ? 'success' : 'failure';
    this.emit('workflow_complete', {
      status,
      duration_ms: this.durationMs(),
      summary: {
        phases_executed: this.#phases,
        steps_executed: this.#steps,
        artifacts_created: this.#artifacts.length,
        retries_used: 0,
      },
      artifacts: [...this.#artifacts],
    });
    this.scope.setAttributes({ [ATTR.pipelineResult]: status });
    this.scope.end(failure);
  }
}

export function startWorkflow(name: string, start: WorkflowStart): Workflow {
  const id =
    start.workflowId === undefined ? mintWorkflowId(start.workItemId) : checkWorkflowId(start.workflowId);
  return new Workflow(id, name, start);
}

function identityOf(id: string, start: WorkflowStart): SpanAttributes {
  const task: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(start.taskAttributes ?? {})) {
    if (typeof value === 'string' || typeof value === 'number') task[key] = value;
  }
  return { ...task, [ATTR.workflowId]: id, [ATTR.workItemId]: start.workItemId };
}
