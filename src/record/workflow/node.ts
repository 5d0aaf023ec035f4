import { type Context, context } from '@opentelemetry/api';
import { ATTR } from '../../model/attributes.ts';
import { canonicalJson } from '../../model/canonical-json.ts';
import { type WorkflowEventType, workflowEventName } from '../../model/events.ts';
import { isJsonObject, type JsonObject, type JsonValue, toJsonValue } from '../../model/json.ts';
import type { NodeId } from '../../model/workflow-node.ts';
import { artifactEvent, artifactIdentity } from '../artifact.ts';
import type { Completion } from '../completion.ts';
import { mintMoment } from '../mint.ts';
import type { NodeStart, Progress } from '../progress.ts';
import type { SpanAttributes } from '../recorder.ts';
import { type Failure, failureOf, Scope } from '../scope.ts';

/** A file, branch, pull request or other result. `metadata` is stored in the `artifact_create` event only. */
export interface ArtifactInput {
  readonly type: string;
  readonly path?: string;
  readonly metadata?: JsonObject;
  readonly [more: string]: JsonValue | undefined;
}

export interface DecisionInput {
  readonly decision: string;
  /** The alternatives. */
  readonly options?: readonly JsonValue[];
  readonly chosen?: JsonValue;
  readonly reason?: string;
  readonly [more: string]: JsonValue | undefined;
}

/** One run of a workflow, as this process takes part in it. */
export interface WorkflowRun {
  readonly workflowId: string;
  /** On every span, so that phases and steps can be counted per workflow name. */
  readonly name: string;
  readonly progress: Progress;
  /** False when other processes may have started attempts unknown to this one: then the store numbers the attempts. */
  readonly knowsAttempts: boolean;
}

/** The parent of a phase or a step. */
export interface NodeParent {
  readonly run: WorkflowRun;
  readonly identity: SpanAttributes;
  readonly parent: Context;
}

interface NodeOptions extends NodeParent {
  readonly node: NodeId;
  readonly spanName: string;
  /** Attributes of this span alone; the nodes below do not inherit them. */
  readonly own?: SpanAttributes;
  /** The trace of a workflow without a parent. */
  readonly traceId?: string | undefined;
}

export interface Emission {
  readonly attributes?: Readonly<Record<string, JsonValue | undefined>>;
  /** Default: the attempt of this node. */
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
 * Base of workflow, phase and step: an open span that ends once, and the events that all three can record. No method
 * throws because of recording; without a trail nothing is recorded. Two calls with the same arguments in one attempt are
 * one event: add a field of your own to make them two.
 */
export abstract class WorkflowNode {
  /** The number of this start of the workflow, phase or step, from 1, as far as this process knows. */
  readonly attempt: number;
  protected readonly workflowRun: WorkflowRun;
  protected readonly node: NodeId;
  protected readonly scope: Scope;
  protected readonly identity: SpanAttributes;
  protected readonly start: NodeStart;
  #failure: Failure | undefined;
  #isEnded = false;

  constructor({ run, node, spanName, identity, own, parent, traceId }: NodeOptions) {
    this.workflowRun = run;
    this.node = node;
    this.identity = identity;
    this.start = run.progress.start(node, mintMoment().timeMs);
    this.attempt = this.start.attempt;
    const known = {
      identity: { workflowId: run.workflowId, ...node, attempt: this.attempt },
      ...(traceId !== undefined && { traceId }),
    };
    this.scope = new Scope({
      name: spanName,
      kind: 'internal',
      parent,
      attributes: { ...identity, [ATTR.genAiWorkflowName]: run.name, ...own },
      ...(run.knowsAttempts && known),
      resumed: this.start.resumed?.ids,
    });
  }

  get context(): Context {
    return this.scope.context;
  }

  /** W3C `traceparent` for work below this node in another process; undefined when nothing is recorded. */
  get traceparent(): string | undefined {
    return this.scope.traceparent;
  }

  /** Why the node failed; undefined while it is open and after a success. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Records an artifact. The same artifact twice in one attempt is one; the order of its keys does not matter. */
  artifact(artifact: ArtifactInput): void {
    if (!this.scope.recording) return;
    const { payload, summary } = artifactEvent(this.node, plainObject(artifact));
    const key = canonicalJson(artifactIdentity(this.node, this.attempt, payload));
    if (!this.workflowRun.progress.addArtifact(this.node, { attempt: this.attempt, key, summary })) return;
    const attributes = { [ATTR.artifactType]: summary.type, [ATTR.artifactPath]: summary.path };
    this.emit('artifact_create', payload, { attributes });
    this.#addSpanEvent('artifact_create', attributes);
  }

  /** Records a decision between alternatives. */
  decision(decision: DecisionInput): void {
    if (!this.scope.recording) return;
    const plain = plainObject(decision);
    this.#record('decision_point', plain, { decision: plain.decision, chosen: plain.chosen });
  }

  /** Records that a person has to agree. The answer names the same `approval`; any process may record it. */
  requestApproval(approval: string, details?: JsonObject): void {
    this.#recordApproval('approval_request', approval, details);
  }

  grantApproval(approval: string, details?: JsonObject): void {
    this.#recordApproval('approval_granted', approval, details);
  }

  denyApproval(approval: string, details?: JsonObject): void {
    this.#recordApproval('approval_denied', approval, details);
  }

  /** Records an error that does not end the node. */
  error(error: unknown, details?: JsonObject): void {
    if (!this.scope.recording) return;
    const { errorType, message } = failureOf(error);
    const payload = { ...plainObject(details), error: { type: errorType, message } };
    this.#record('error', payload, { 'exception.type': errorType, 'exception.message': message });
  }

  protected emit(type: WorkflowEventType, payload: JsonObject, { attributes, attempt }: Emission = {}): void {
    if (!this.scope.recording) return;
    const numbered = this.workflowRun.knowsAttempts ? { [ATTR.eventAttempt]: attempt ?? this.attempt } : {};
    this.scope.emit(workflowEventName(type), {
      body: payload,
      attributes: { ...this.identity, ...numbered, ...attributes },
    });
  }

  /** How this attempt ends now, for the body of its completion event. */
  protected completion(status: string): Completion {
    return { attempt: this.attempt, status, nowMs: mintMoment().timeMs };
  }

  /** Ends the span and records the completion event. */
  protected conclude({ type, status, payload, failure, attributes = {} }: Conclusion): void {
    this.#failure = failure;
    this.scope.setAttributes(attributes);
    // The span ends before the event is recorded: after a kill in between, the node is open and a resume ends it again
    // under the same id.
    this.scope.end(failure);
    this.emit(type, payload, { attributes: { ...attributes, ...this.scope.closing(failure) } });
    const error = failure?.message ?? null;
    this.workflowRun.progress.addEnd(this.node, { attempt: this.attempt, status, error });
  }

  /** True for the first call only. */
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

  #record(type: WorkflowEventType, payload: JsonObject, spanAttributes: SpanAttributes): void {
    const { phase, step } = this.node;
    this.emit(type, { ...payload, ...(phase !== null && { phase }), ...(step !== null && { step }) });
    this.#addSpanEvent(type, spanAttributes);
  }

  /** The event is on the span as well: trace viewers show spans, not our event lines. */
  #addSpanEvent(type: WorkflowEventType, attributes: SpanAttributes): void {
    this.scope.addSpanEvent(workflowEventName(type), attributes, mintMoment().timeMs);
  }
}

/** Returns the name unchanged; throws `TypeError` when it is no text. */
export function checkName(what: string, name: unknown): string {
  if (typeof name === 'string') return name;
  throw new TypeError(`the name of a ${what} must be text, not ${name === null ? 'null' : typeof name}`);
}

function plainObject(value: unknown): JsonObject {
  const plain = toJsonValue(value ?? {});
  return isJsonObject(plain) ? plain : {};
}
