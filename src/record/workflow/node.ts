import { type Context, context } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import { type WorkflowEventType, workflowEventName } from '../../model/events.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import { mintMoment } from '../mint.ts';
import type { Opening, Place, Progress } from '../progress.ts';
import type { SpanAttributes } from '../recorder.ts';
import { type Failure, failureOf, Scope } from '../scope.ts';

/** What something made: a file, a branch, a pull request. `metadata` stands in its own event only. */
export interface ArtifactInput {
  readonly type: string;
  readonly path?: string;
  readonly metadata?: JsonObject;
  readonly [more: string]: JsonValue | undefined;
}

export interface DecisionInput {
  readonly decision: string;
  /** What there was to choose from. */
  readonly options?: readonly JsonValue[];
  readonly chosen?: JsonValue;
  readonly reason?: string;
  readonly [more: string]: JsonValue | undefined;
}

/** One run of a workflow, as this process takes part in it. */
export interface WorkflowRun {
  readonly workflowId: string;
  /** On every span, so that phases and steps of one workflow can be counted apart from those of another. */
  readonly name: string;
  readonly progress: Progress;
  /** False when other processes may have started things that nobody here knows of: then the store counts attempts. */
  readonly knowsAttempts: boolean;
}

/** Where a phase or a step hangs. */
export interface Above {
  readonly run: WorkflowRun;
  readonly identity: SpanAttributes;
  readonly parent: Context;
}

interface NodeStart extends Above {
  readonly place: Place;
  /** Of its span. */
  readonly title: string;
  /** On this span alone. */
  readonly own?: SpanAttributes;
  /** The trace of a workflow without a parent. */
  readonly traceId?: string | undefined;
}

export interface Emission {
  readonly attributes?: Readonly<Record<string, JsonValue | undefined>>;
  /** Default: this node's own. */
  readonly attempt?: number;
}

interface Conclusion {
  readonly type: WorkflowEventType;
  readonly status: string;
  readonly payload: JsonObject;
  readonly failure: Failure | undefined;
  /** On the event and on the span. */
  readonly attributes?: SpanAttributes;
}

/**
 * What workflow, phase and step share: an open span, a clock, an end that happens once, and what may be told of any of
 * them. Nothing here throws for a reason of recording; without a trail nothing is recorded. What is told twice in one
 * attempt, word for word, is one event: a field of your own tells them apart.
 */
export abstract class WorkflowNode {
  /** Which start it is of its workflow, phase or step, from 1; as far as this process knows. */
  readonly attempt: number;
  protected readonly workflowRun: WorkflowRun;
  protected readonly place: Place;
  protected readonly scope: Scope;
  protected readonly identity: SpanAttributes;
  protected readonly opening: Opening;
  readonly #startedAtMs: number;
  #failure: Failure | undefined;
  #isEnded = false;

  constructor({ run, place, title, identity, own, parent, traceId }: NodeStart) {
    this.workflowRun = run;
    this.place = place;
    this.identity = identity;
    const nowMs = mintMoment().timeMs;
    this.opening = run.progress.open(place, nowMs);
    this.attempt = this.opening.attempt;
    this.#startedAtMs = this.opening.resumed?.startedAtMs ?? nowMs;
    const known = {
      identity: { workflowId: run.workflowId, ...place, attempt: this.attempt },
      ...(traceId !== undefined && { traceId }),
    };
    this.scope = new Scope({
      name: title,
      kind: 'internal',
      parent,
      attributes: { ...identity, [ATTR.genAiWorkflowName]: run.name, ...own },
      ...(run.knowsAttempts && known),
      resumed: this.opening.resumed?.ids,
    });
  }

  get context(): Context {
    return this.scope.context;
  }

  /** For what runs in another process below this; undefined when nothing is recorded. */
  get traceparent(): string | undefined {
    return this.scope.traceparent;
  }

  /** Why it failed, once it has. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** The same artifact twice in one attempt is one. */
  artifact(artifact: ArtifactInput): void {
    if (!this.scope.recording) return;
    const plain = toJsonValue(artifact);
    const { metadata = {}, ...summary } = isJsonObject(plain) ? plain : {};
    const { phase, step } = this.place;
    // The event of a step is the seed's own; above it nothing else would say whose it is.
    const whose = step === null && phase !== null ? { phase } : {};
    const payload = { artifact: { ...summary, metadata }, step, ...whose };
    if (!this.workflowRun.progress.addArtifact(this.place, { attempt: this.attempt, payload, summary }))
      return;
    const attributes = { [ATTR.artifactType]: summary.type, [ATTR.artifactPath]: summary.path };
    this.emit('artifact_create', payload, { attributes });
    this.#mark('artifact_create', attributes);
  }

  /** A fork in the road, and which way was taken. */
  decision(decision: DecisionInput): void {
    if (!this.scope.recording) return;
    const plain = plainObject(decision);
    this.#record('decision_point', plain, { decision: plain.decision, chosen: plain.chosen });
  }

  /** Somebody has to agree before it goes on; the answer names the same `approval`, from whichever process it comes. */
  requestApproval(approval: string, details?: JsonObject): void {
    this.#recordApproval('approval_request', approval, details);
  }

  grantApproval(approval: string, details?: JsonObject): void {
    this.#recordApproval('approval_granted', approval, details);
  }

  denyApproval(approval: string, details?: JsonObject): void {
    this.#recordApproval('approval_denied', approval, details);
  }

  /** Something went wrong that does not end it. */
  error(error: unknown, details?: JsonObject): void {
    if (!this.scope.recording) return;
    const { errorType, message } = failureOf(error);
    const told = { ...plainObject(details), error: { type: errorType, message } };
    this.#record('error', told, { 'exception.type': errorType, 'exception.message': message });
  }

  protected emit(type: WorkflowEventType, payload: JsonObject, { attributes, attempt }: Emission = {}): void {
    if (!this.scope.recording) return;
    const counted = this.workflowRun.knowsAttempts ? { [ATTR.eventAttempt]: attempt ?? this.attempt } : {};
    this.scope.emit(workflowEventName(type), {
      body: payload,
      attributes: { ...this.identity, ...counted, ...attributes },
    });
  }

  /** The end: its event, and its span. Only the first one counts. */
  protected conclude({ type, status, payload, failure, attributes = {} }: Conclusion): void {
    this.#failure = failure;
    this.scope.setAttributes(attributes);
    // Before its event: killed in between, it is open still, and whoever resumes it ends it once more under its id.
    this.scope.end(failure);
    this.emit(type, payload, { attributes: { ...attributes, ...this.scope.closing(failure) } });
    const error = failure?.message ?? null;
    this.workflowRun.progress.finish(this.place, { attempt: this.attempt, status, error });
  }

  /** From the start, also when that was in another process. */
  protected durationMs(): number {
    return Math.max(0, mintMoment().timeMs - this.#startedAtMs);
  }

  /** True the first time only. */
  protected close(): boolean {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    return true;
  }

  protected async within<T>(
    fn: () => Promise<T> | T,
    ends: { end(): void; fail(error: unknown): void },
  ): Promise<T> {
    try {
      const value = await context.with(this.scope.context, async () => fn());
      ends.end();
      return value;
    } catch (error) {
      ends.fail(error);
      throw error;
    }
  }

  #recordApproval(type: WorkflowEventType, name: string, details: JsonObject | undefined): void {
    if (!this.scope.recording) return;
    const approval = toJsonValue(name);
    this.#record(type, { ...plainObject(details), approval }, { approval });
  }

  #record(type: WorkflowEventType, payload: JsonObject, marks: SpanAttributes): void {
    const { phase, step } = this.place;
    const where = { ...(phase !== null && { phase }), ...(step !== null && { step }) };
    this.emit(type, { ...payload, ...where });
    this.#mark(type, marks);
  }

  /** On the span too, where whoever looks at a trace sees it. */
  #mark(type: WorkflowEventType, attributes: SpanAttributes): void {
    this.scope.addSpanEvent(workflowEventName(type), attributes, mintMoment().timeMs);
  }
}

/** A name, unchanged; throws `TypeError` for what is no text. */
export function checkName(what: string, name: unknown): string {
  if (typeof name === 'string') return name;
  throw new TypeError(`the name of a ${what} must be text, not ${name === null ? 'null' : typeof name}`);
}

function plainObject(value: unknown): JsonObject {
  const plain = toJsonValue(value ?? {});
  return isJsonObject(plain) ? plain : {};
}
