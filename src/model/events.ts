/** Prefix of the event names of tasktrail. */
const PREFIX = 'tasktrail.';

/**
 * Where a record is stored, by its event name: `metadata`, `input` and `result` are folded into the documents of the task;
 * `stage` and `output` are lines of files 02 and 03; `delivery` is a line below `_webhooks`; `workflow` is an envelope
 * below `_workflow`; `heartbeat` is not stored.
 */
export type EventTarget =
  | 'metadata'
  | 'input'
  | 'result'
  | 'stage'
  | 'output'
  | 'delivery'
  | 'workflow'
  | 'heartbeat';

export const EVENT = {
  metadata: 'tasktrail.task.metadata',
  input: 'tasktrail.task.input',
  result: 'tasktrail.task.result',
  heartbeat: 'tasktrail.task.heartbeat',
  output: 'tasktrail.agent.output',
  delivery: 'tasktrail.webhook.delivery',
} as const;

export const WORKFLOW_EVENT_TYPES = [
  'workflow_start',
  'phase_start',
  'step_start',
  'step_complete',
  'artifact_create',
  'phase_complete',
  'workflow_complete',
  'workflow_resumed',
  'step_retry',
  'phase_skip',
  'step_skip',
  'decision_point',
  'approval_request',
  'approval_granted',
  'approval_denied',
  'error',
] as const;
export type WorkflowEventType = (typeof WORKFLOW_EVENT_TYPES)[number];

const STAGE_PREFIX = 'tasktrail.webhook.';

/** One row per event name. */
const TARGETS: ReadonlyMap<string, EventTarget> = new Map<string, EventTarget>([
  [EVENT.metadata, 'metadata'],
  [EVENT.input, 'input'],
  [EVENT.result, 'result'],
  [EVENT.heartbeat, 'heartbeat'],
  [EVENT.output, 'output'],
  [EVENT.delivery, 'delivery'],
  ...WORKFLOW_EVENT_TYPES.map((type): [string, EventTarget] => [PREFIX + type, 'workflow']),
]);

/** Undefined for a foreign event: its record becomes a `system` line of the task that it names. */
export function targetOf(eventName: string | undefined): EventTarget | undefined {
  if (eventName === undefined || !eventName.startsWith(PREFIX)) return undefined;
  const target = TARGETS.get(eventName);
  if (target !== undefined) return target;
  return eventName.startsWith(STAGE_PREFIX) ? 'stage' : undefined;
}

export function stageEventName(stage: string): string {
  return STAGE_PREFIX + stage;
}

export function workflowEventName(type: WorkflowEventType): string {
  return PREFIX + type;
}

/** `tasktrail.step_start` -> `step_start`. */
export function workflowEventType(eventName: string): string {
  return eventName.slice(PREFIX.length);
}
