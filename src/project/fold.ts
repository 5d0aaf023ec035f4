import { attemptIn } from '../model/attempt.ts';
import { BUDGET_KINDS } from '../model/budget.ts';
import {
  type FinalResult,
  isTerminal,
  type Metadata,
  type ResultMetrics,
  SCHEMA_VERSION,
  TASK_STATUSES,
  type TaskInput,
  type TaskStatus,
  type TerminalStatus,
} from '../model/documents.ts';
import { EVENT } from '../model/events.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts';
import { readIso } from '../model/time.ts';
import type { FactLine } from './change.ts';

/** A value and its fact. The value with the highest (attempt, time, event id) wins. */
interface Register {
  readonly value: JsonValue;
  readonly fact: FactLine;
}

/** The higher rank wins; see `outranks` for equal ranks. */
const STATUS_RANK: Record<TaskStatus, number> = {
  queued: 0,
  running: 1,
  waiting_input: 1,
  abandoned: 2,
  completed: 3,
  failed: 3,
  cancelled: 3,
};

/** Times that keep the earliest of their values. */
export const EARLIEST: ReadonlySet<string> = new Set(['created_at', 'started_at']);

/** Fields that the fold computes; records cannot set them. */
export const COMPUTED: ReadonlySet<string> = new Set([
  'task_id',
  'status',
  'completed_at',
  'attempt',
  'workflow_ids',
  'schema_version',
  'opened_by',
  'end_received_at',
]);

/** Notices of a budget that is nearly used. Each amount keeps its own newest one. */
const NOTICES = 'budget_notices';

/** Fields of a result that the fold computes or reads. */
const RESULT_FIELDS = [
  'success',
  'result',
  'error',
  'metrics',
  'completed_at',
  'status',
  'attempt',
  'received_at',
];

interface StatusClaim {
  readonly status: TaskStatus;
  readonly fact: FactLine;
}

/**
 * Folds the facts of one task into its three documents. Order, duplicates and restarts do not change the result, because
 * every rule is a maximum, a minimum or a union. Facts of anonymous senders count only while no other sender has opened the
 * task. An agent adds workflows and decides nothing else.
 */
export class TaskFold {
  readonly #taskId: string;
  /** Events of anonymous senders that do not count. */
  readonly #ignored = new Set<string>();
  readonly #anonymous = new Set<string>();
  #registers = new Registers();
  #isClaimed = false;

  constructor(taskId: string) {
    this.#taskId = taskId;
  }

  add(fact: FactLine): void {
    if (fact.sender !== 'anonymous') this.claim();
    else {
      (this.#isClaimed ? this.#ignored : this.#anonymous).add(fact.event);
      if (this.#isClaimed) return;
    }
    const { body } = fact;
    if (body === undefined) return;
    const counted = { ...fact, attempt: attemptIn(fact.attempt) ?? 1, body };
    if (fact.sender === 'agent') this.#registers.addWorkflows(body.workflow_ids);
    else this.#registers.add(counted);
  }

  /** An authenticated sender has opened the task: what anonymous ones said no longer counts. */
  claim(): void {
    if (this.#isClaimed) return;
    this.#isClaimed = true;
    if (this.#anonymous.size > 0) this.#registers = new Registers();
    for (const event of this.#anonymous) this.#ignored.add(event);
  }

  /** Whether such a fact was left out because its sender is anonymous. */
  ignores(event: string): boolean {
    return this.#ignored.has(event);
  }

  get isTerminal(): boolean {
    return isTerminal(this.#registers.status?.status);
  }

  /** `firstSeen` is the earliest time in the files of the task; used when only foreign records name the task. */
  metadata(firstSeen: string | null): Metadata {
    const { fields, status: claim, result, isKnown, attempt, workflowIds, notices } = this.#registers;
    const field = (name: string): JsonValue => fields.get(name)?.value ?? null;
    const status = claim?.status ?? 'running';
    const receivedAt = isTerminal(status) ? readIso(result?.fact.received_at) : undefined;
    const named = {
      task_id: this.#taskId,
      source: textOr(field('source'), isKnown ? null : 'otlp'),
      provider: textOr(field('provider'), null),
      created_at: textOr(field('created_at'), firstSeen),
      started_at: textOr(field('started_at'), null),
      completed_at: isTerminal(status) ? completedAt(result) : null,
      status,
      assigned_agent: textOr(field('assigned_agent'), null),
      agent_type: textOr(field('agent_type'), null),
      model: textOr(field('model'), null),
      trace_id: textOr(field('trace_id'), null),
      attempt,
      workflow_ids: [...workflowIds].sort(),
      schema_version: SCHEMA_VERSION,
    };
    const said = notices.size === 0 ? {} : { [NOTICES]: values(notices) };
    const more = others({ ...values(fields), ...said }, Object.keys(named));
    return { ...named, ...more, ...(receivedAt !== undefined && { end_received_at: receivedAt }) };
  }

  input(): TaskInput | undefined {
    const { input, sourceMetadata } = this.#registers;
    const message = input.get('message')?.value;
    if (typeof message !== 'string') return undefined;
    const named = { message, source_metadata: values(sourceMetadata) };
    return { ...named, ...others(values(input), Object.keys(named)) };
  }

  result(): FinalResult | undefined {
    const claim = this.#registers.result;
    if (claim === undefined) return undefined;
    const body = claim.fact.body ?? {};
    return {
      success: body.success === true && claim.status === 'completed',
      result: textOf(body.result),
      error: textOf(body.error),
      metrics: metricsOf(body.metrics),
      completed_at: completedAt(claim),
      ...others(body, RESULT_FIELDS),
      // The result of an earlier attempt stays until the next one ends.
      ...(claim.fact.attempt > 1 && { attempt: claim.fact.attempt }),
      ...(claim.fact.received_at !== undefined && { received_at: claim.fact.received_at }),
      status: claim.status as TerminalStatus,
    };
  }
}

/** What the facts that count have said. */
class Registers {
  readonly fields = new Map<string, Register>();
  readonly workflowIds = new Set<string>();
  readonly notices = new Map<string, Register>();
  readonly input = new Map<string, Register>();
  readonly sourceMetadata = new Map<string, Register>();
  attempt = 1;
  status: StatusClaim | undefined;
  result: StatusClaim | undefined;
  isKnown = false;

  add(fact: FactLine & { readonly body: JsonObject }): void {
    switch (fact.event) {
      case EVENT.metadata:
        this.#addMetadata(fact, fact.body);
        break;
      case EVENT.input:
        this.#addInput(fact, fact.body);
        break;
      case EVENT.result:
        this.#addResult(fact, fact.body);
        break;
      default:
        // An event of a workflow in the task: only the workflow ids belong to the task.
        this.addWorkflows(fact.body.workflow_ids);
    }
  }

  addWorkflows(ids: JsonValue | undefined): void {
    if (Array.isArray(ids)) for (const id of ids) if (typeof id === 'string') this.workflowIds.add(id);
  }

  #addMetadata(fact: FactLine, body: JsonObject): void {
    this.isKnown = true;
    this.attempt = Math.max(this.attempt, fact.attempt);
    for (const [name, value] of Object.entries(body)) {
      if (value === undefined || value === null || COMPUTED.has(name)) continue;
      if (EARLIEST.has(name)) this.#setEarliest(name, readIso(value), fact);
      else if (name === NOTICES) this.#addNotices(value, fact);
      else setHighest(this.fields, name, { value, fact });
    }
    const { workflow_ids: ids, status } = body;
    this.addWorkflows(ids);
    if (isStatus(status) && !isTerminal(status)) this.#claim({ status, fact });
  }

  #addNotices(value: JsonValue, fact: FactLine): void {
    if (!isJsonObject(value)) return;
    for (const kind of BUDGET_KINDS) {
      const notice = value[kind];
      if (isJsonObject(notice)) setHighest(this.notices, kind, { value: notice, fact });
    }
  }

  #addInput(fact: FactLine, body: JsonObject): void {
    for (const [name, value] of Object.entries(body)) {
      if (value === undefined || value === null) continue;
      if (name !== 'source_metadata') setHighest(this.input, name, { value, fact });
      else if (isJsonObject(value)) {
        for (const [key, item] of Object.entries(value)) {
          if (item !== undefined) setHighest(this.sourceMetadata, key, { value: item, fact });
        }
      }
    }
  }

  #addResult(fact: FactLine, body: JsonObject): void {
    this.attempt = Math.max(this.attempt, fact.attempt);
    const status = isTerminal(body.status) ? body.status : body.success === true ? 'completed' : 'failed';
    const claim = { status, fact };
    if (this.result === undefined || outranks(claim, this.result)) this.result = claim;
    this.#claim(claim);
  }

  #claim(claim: StatusClaim): void {
    if (this.status === undefined || outranks(claim, this.status)) this.status = claim;
  }

  #setEarliest(name: string, value: string | undefined, fact: FactLine): void {
    if (value === undefined) return;
    const current = this.fields.get(name)?.value;
    if (typeof current !== 'string' || value < current) this.fields.set(name, { value, fact });
  }
}

/** The higher attempt wins, then the higher rank, then the earlier of two ends and the later of two running states. */
function outranks(claim: StatusClaim, current: StatusClaim): boolean {
  if (claim.fact.attempt !== current.fact.attempt) return claim.fact.attempt > current.fact.attempt;
  const rank = STATUS_RANK[claim.status] - STATUS_RANK[current.status];
  if (rank !== 0) return rank > 0;
  const later = compareMoments(claim.fact, current.fact);
  return isTerminal(claim.status) ? later < 0 : later > 0;
}

function setHighest(registers: Map<string, Register>, name: string, register: Register): void {
  const current = registers.get(name);
  if (current !== undefined) {
    if (current.value !== null && register.value === null) return;
    const replacesNull = current.value === null && register.value !== null;
    if (!replacesNull && compareFacts(register.fact, current.fact) <= 0) return;
  }
  registers.set(name, register);
}

function compareFacts(a: FactLine, b: FactLine): number {
  return a.attempt - b.attempt || compareMoments(a, b);
}

/** The order of lines in all files: by time, then by event id. */
export function compareMoments(
  a: { readonly timestamp: string; readonly event_id: string },
  b: { readonly timestamp: string; readonly event_id: string },
): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  if (a.event_id === b.event_id) return 0;
  return a.event_id < b.event_id ? -1 : 1;
}

function completedAt(claim: StatusClaim | undefined): string {
  return readIso(claim?.fact.body?.completed_at) ?? claim?.fact.timestamp ?? '';
}

function metricsOf(value: JsonValue | undefined): ResultMetrics {
  const metrics = isJsonObject(value) ? value : {};
  const names = [
    'cost_usd',
    'input_tokens',
    'output_tokens',
    'duration_seconds',
    'cache_read_input_tokens',
    'cache_creation_input_tokens',
  ] as const;
  const known = Object.fromEntries(names.map((name) => [name, amount(metrics[name])]));
  return { ...(known as Record<(typeof names)[number], number | null>), ...others(metrics, names) };
}

function amount(value: JsonValue | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function textOr(value: JsonValue | undefined, fallback: string | null): string | null {
  return typeof value === 'string' ? value : fallback;
}

/** An agent's result may be any JSON. The field is text, so other values are kept as JSON text. */
function textOf(value: JsonValue | undefined): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function values(registers: ReadonlyMap<string, Register>): Record<string, JsonValue> {
  // From entries: an assignment to `__proto__` would not make a field.
  return Object.fromEntries(
    [...registers.keys()].sort().map((name) => [name, registers.get(name)?.value ?? null]),
  );
}

function others(body: JsonObject, names: readonly string[]): Record<string, JsonValue> {
  const kept: [string, JsonValue][] = [];
  for (const name of Object.keys(body).sort()) {
    const value = body[name];
    if (value !== undefined && !names.includes(name)) kept.push([name, value]);
  }
  return Object.fromEntries(kept);
}

function isStatus(value: unknown): value is TaskStatus {
  return TASK_STATUSES.some((status) => status === value);
}
