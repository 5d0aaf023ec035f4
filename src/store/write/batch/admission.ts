import { EVENT } from '../../../model/events.ts';
import { higherSender, markOf, type Sender, type SenderMark } from '../../../model/sender.ts';
import type { Change, WorkflowFact } from '../../../project/change.ts';

/** Who sent a record. */
export interface Origin {
  readonly sender: Sender;
  /** The trail completes what this sender has begun: spans that it announced, the end of a silent task. */
  readonly isOnBehalf: boolean;
}

/** A change with its origin. */
export interface Sent<C> {
  readonly change: C;
  readonly origin: Origin;
  /** Why it may be stored only if it is stored already: a copy counts as a repeat. */
  readonly refusal?: string | undefined;
}

/** What is known of the task or workflow that a change is about. */
export interface Standing {
  /** The sender with the most rights of all that have something in it. Undefined: it is new. */
  readonly owner: Sender['kind'] | undefined;
  /** Whether a task has ended. */
  readonly isOver: boolean;
  /** Tasks that the owner of a workflow has named. */
  readonly taskIds: ReadonlySet<string>;
}

/** Drop reason of records that their sender may not send. */
export const NOT_PERMITTED = 'not permitted for the sender';

/**
 * What senders other than the trail may say, which may say everything.
 * - `own`, for an agent: about its own task, from its start to its end, and about workflows that are new or belong to its
 *   task. For an anonymous sender: about tasks and workflows in which no authenticated sender has anything.
 * - `any`: the line is kept with its mark, and decides nothing.
 */
type Right = 'own' | 'any' | 'never';

const RIGHTS: Readonly<Record<ChangeName, Readonly<Record<SenderMark, Right>>>> = {
  metadata: { agent: 'never', anonymous: 'own' },
  input: { agent: 'never', anonymous: 'own' },
  result: { agent: 'never', anonymous: 'own' },
  'webhook stage': { agent: 'never', anonymous: 'own' },
  'webhook delivery': { agent: 'never', anonymous: 'any' },
  heartbeat: { agent: 'never', anonymous: 'own' },
  output: { agent: 'own', anonymous: 'own' },
  span: { agent: 'own', anonymous: 'own' },
  'workflow event': { agent: 'own', anonymous: 'own' },
};

type ChangeName =
  | 'metadata'
  | 'input'
  | 'result'
  | 'webhook stage'
  | 'webhook delivery'
  | 'heartbeat'
  | 'output'
  | 'span'
  | 'workflow event';

/** Events with which an agent would decide about a workflow of the trail. */
const DECIDING: ReadonlySet<string> = new Set(['workflow_start', 'workflow_complete', 'workflow_resumed']);

/** Why a sender may not send a change, whatever is stored; undefined when it depends on that, or may be sent. */
export function refusalOfKind(change: Change, { sender }: Origin): string | undefined {
  const name = nameOf(change);
  const mark = markOf(sender);
  if (name === undefined || mark === undefined) return undefined;
  if (RIGHTS[name][mark] === 'never')
    return `the token of an agent does not permit a record of this kind: ${name}`;
  if (sender.kind !== 'agent') return undefined;
  const other = tasksOf(change).find((taskId) => taskId !== sender.taskId);
  return other === undefined
    ? undefined
    : `the token is that of the agent of task ${sender.taskId}, which may not write about task ${other}`;
}

/** Why a sender may not write about a task; undefined when it may. */
export function refusalInTask(
  taskId: string,
  { sender, isOnBehalf }: Origin,
  standing: Standing,
): string | undefined {
  if (sender.kind === 'trail') return undefined;
  if (sender.kind === 'anonymous') return refusalOfOwner(`task ${taskId}`, standing);
  // Its last spans are completed after the end, and what it has left may arrive after it.
  if (!standing.isOver || isOnBehalf || sender.isLeft === true) return undefined;
  return `task ${taskId} has ended, and with it the token of its agent`;
}

/** Why a sender may not write about a workflow; undefined when it may. */
export function refusalInWorkflow(
  { id, event }: { readonly id: string; readonly event: string | undefined },
  { sender, isOnBehalf }: Origin,
  standing: Standing,
): string | undefined {
  if (sender.kind === 'trail') return undefined;
  if (sender.kind === 'anonymous') return refusalOfOwner(`workflow ${id}`, standing);
  const { owner, taskIds } = standing;
  if (owner !== 'trail' && owner !== 'agent') return undefined;
  if (!taskIds.has(sender.taskId)) return `workflow ${id} does not belong to task ${sender.taskId}`;
  if (owner === 'agent' || isOnBehalf || event === undefined || !DECIDING.has(event)) return undefined;
  return `workflow ${id} was not opened by the agent, which may not send its ${event}`;
}

function refusalOfOwner(what: string, { owner }: Standing): string | undefined {
  if (owner === undefined || owner === 'anonymous') return undefined;
  return `${what} was opened by an authenticated sender: set TASK_LOGS_API_TOKEN and send it as Authorization: Bearer <token>`;
}

/** Undefined for what changes nothing. */
function nameOf(change: Change): ChangeName | undefined {
  switch (change.kind) {
    case 'line':
      return change.file === 'webhookFlow' ? 'webhook stage' : 'output';
    case 'fact':
      return FACTS.get(change.line.event) ?? 'workflow event';
    case 'span':
    case 'workflow-span':
      return 'span';
    case 'workflow-fact':
      return 'workflow event';
    case 'delivery':
      return 'webhook delivery';
    case 'heartbeat':
      return 'heartbeat';
    case 'nothing':
    case 'unattributed':
    case 'rejected':
      return undefined;
  }
}

const FACTS: ReadonlyMap<string, ChangeName> = new Map<string, ChangeName>([
  [EVENT.metadata, 'metadata'],
  [EVENT.input, 'input'],
  [EVENT.result, 'result'],
]);

function tasksOf(change: Change): readonly string[] {
  switch (change.kind) {
    case 'line':
    case 'fact':
      return [change.taskId];
    case 'span':
      return change.taskIds;
    case 'workflow-fact':
      return change.fact.task_id === null ? [] : [change.fact.task_id];
    default:
      return [];
  }
}

/** What a fact of the same batch adds to the standing. */
export function standingWith(standing: Standing, { sender: mark, task_id: taskId }: WorkflowFact): Standing {
  const sender = mark ?? 'trail';
  const owner = higherSender(standing.owner, sender);
  if (sender !== owner || taskId === null) return { ...standing, owner };
  const taskIds = owner === standing.owner ? [...standing.taskIds, taskId] : [taskId];
  return { ...standing, owner, taskIds: new Set(taskIds) };
}
