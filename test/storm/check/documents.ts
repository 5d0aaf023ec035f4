import type { Violation } from './check.ts';
import type { Evidence, Json, Lines, TaskEvidence, WorkflowEvidence } from './evidence.ts';
import type { History } from './history.ts';

const TERMINAL = new Set<unknown>(['completed', 'failed', 'cancelled', 'abandoned']);

const STAGES = [
  'received',
  'validation',
  'command_matching',
  'immediate_response',
  'task_created',
  'queue_push',
];

/** Events whose key is their place and attempt. Of the others a workflow may have several. */
const KEYED = new Set<unknown>([
  'workflow_start',
  'phase_start',
  'step_start',
  'step_complete',
  'phase_complete',
  'workflow_complete',
]);

/** In what the forger sends. */
export const FORGED = 'forged.';

interface Found {
  readonly violations: readonly Violation[];
  readonly leftTasks: number;
  readonly repeats: number;
}

/** Documents agree with each other, with the facts and with what was acknowledged; everything has ended. */
export function checkDocuments(history: History, evidence: Evidence): Found {
  const violations: Violation[] = [];
  const anonymous = new Set<string>();
  for (const fact of history.facts) {
    if (!history.isAnonymous(fact)) continue;
    if ('task' in fact) anonymous.add(fact.task);
    if ('workflow' in fact) anonymous.add(fact.workflow);
  }
  const withResult = new Set(history.facts.flatMap((fact) => (fact.kind === 'result' ? [fact.task] : [])));
  for (const [id, task] of evidence.tasks) {
    violations.push(...checkTask(id, task, evidence.isFiles));
    if (!anonymous.has(id) && task.text.includes(FORGED))
      violations.push({ kind: 'forged', what: id, file: id, detail: firstWith(task.text, FORGED) });
    // An anonymous sender that was ended leaves its task open for an hour.
    const mustEnd = !anonymous.has(id) || withResult.has(id);
    if (mustEnd && !TERMINAL.has(task.metadata?.status)) {
      const detail = `status ${String(task.metadata?.status)}`;
      violations.push({ kind: 'unfinished', what: id, file: 'metadata.json', detail });
    }
  }
  for (const [id, workflow] of evidence.workflows) {
    violations.push(...checkWorkflow(id, workflow));
    if (!anonymous.has(id) && workflow.text.includes(FORGED))
      violations.push({ kind: 'forged', what: id, file: id, detail: firstWith(workflow.text, FORGED) });
  }
  for (const file of evidence.segments)
    violations.push({ kind: 'unfinished', what: file, file: '_journal', detail: 'records wait' });
  for (const file of evidence.queued)
    violations.push({ kind: 'unfinished', what: file, file: '_queue', detail: 'a task waits' });
  violations.push(...checkResults(history, evidence));
  const { leftTasks, repeats, violations: more } = checkDeliveries(history, evidence);
  return { violations: [...violations, ...more], leftTasks, repeats };
}

function checkTask(
  id: string,
  { metadata, result, flow, output, facts }: TaskEvidence,
  hasFacts: boolean,
): Violation[] {
  const found: Violation[] = [];
  const disagrees = (file: string, detail: string): void => {
    found.push({ kind: 'disagrees', what: id, file: `${id}/${file}`, detail });
  };
  for (const [file, lines] of Object.entries({ '02': flow, '03': output, facts })) {
    const twice = repeated(lines, ({ event_id: eventId }) => String(eventId));
    for (const eventId of twice)
      found.push({ kind: 'doubled', what: eventId, file: `${id}/${file}`, detail: 'event id twice' });
  }
  for (const stage of repeated(flow, ({ stage }) => String(stage)))
    found.push({ kind: 'doubled', what: stage, file: `${id}/02`, detail: 'stage twice' });
  const ends = facts.lines
    .filter(({ event }) => event === 'tasktrail.task.result')
    .map(({ body }) => body as Json);
  if (result === undefined) {
    if (TERMINAL.has(metadata?.status)) disagrees('metadata.json', 'terminal without 04-final-result.json');
    if (ends.length > 0) disagrees('facts.jsonl', 'a result, but no 04-final-result.json');
    return found;
  }
  if (metadata?.status !== result.status)
    disagrees('metadata.json', `${String(metadata?.status)}, but the result says ${String(result.status)}`);
  if (metadata?.completed_at !== result.completed_at)
    disagrees(
      'metadata.json',
      `ended ${String(metadata?.completed_at)}, the result ${String(result.completed_at)}`,
    );
  if (result.success !== (result.status === 'completed'))
    disagrees('04-final-result.json', `success ${String(result.success)} and ${String(result.status)}`);
  if (hasFacts && !ends.some(({ status }) => status === result.status))
    disagrees('facts.jsonl', `no result with the status ${String(result.status)}`);
  return found;
}

/** An acknowledged end is the end. */
function checkResults({ facts, mayBeLost }: History, { tasks }: Evidence): Violation[] {
  return facts.flatMap((fact) => {
    if (fact.kind !== 'result') return [];
    const status = tasks.get(fact.task)?.result?.status;
    if (status === undefined || status === fact.status || mayBeLost?.(fact) === true) return [];
    const detail = `acknowledged as ${fact.status}, stands as ${String(status)}`;
    return [{ kind: 'disagrees', what: fact.token, file: `${fact.task}/04-final-result.json`, detail }];
  });
}

function checkWorkflow(id: string, { events, document }: WorkflowEvidence): Violation[] {
  const found: Violation[] = [];
  const doubled = (what: string, detail: string): void => {
    found.push({ kind: 'doubled', what, file: `_workflow/${id}.jsonl`, detail });
  };
  for (const eventId of repeated(events, ({ event_id: one }) => String(one)))
    doubled(eventId, 'event id twice');
  const keyed = { ...events, lines: events.lines.filter(({ event_type: type }) => KEYED.has(type)) };
  for (const key of repeated(keyed, keyOf)) doubled(key, 'event twice');
  const hasEnd = events.lines.some(({ event_type: type }) => type === 'workflow_complete');
  if (hasEnd && document === undefined)
    found.push({ kind: 'disagrees', what: id, file: `_workflow/${id}.json`, detail: 'ended, no document' });
  return found;
}

function keyOf({ event_type: type, payload, attempt }: Json): string {
  const { phase, step } = Object(payload) as Json;
  const name = typeof step === 'string' ? step : (Object(step) as Json).name;
  return JSON.stringify([type, phase ?? null, name ?? null, attempt]);
}

function checkDeliveries({ facts, told }: History, { tasks }: Evidence): Found {
  const byDelivery = new Map<string, TaskEvidence[]>();
  for (const task of tasks.values()) {
    const { webhook_id: id } = Object(task.input?.source_metadata) as Json;
    if (typeof id === 'string') byDelivery.set(id, [...(byDelivery.get(id) ?? []), task]);
  }
  const violations: Violation[] = [];
  let [leftTasks, repeats] = [0, 0];
  for (const fact of facts) {
    if (fact.kind !== 'delivery') continue;
    const { delivery: what, cutTries } = fact;
    const all = byDelivery.get(what) ?? [];
    const done = all.filter(({ result }) => result?.status === 'completed');
    const whole = all.filter(({ flow }) =>
      STAGES.every((stage) => flow.lines.some((line) => line.stage === stage)),
    );
    const file = '*/01-input.json';
    if (all.length === 0) violations.push({ kind: 'delivery lost', what, file, detail: 'no task' });
    else if (whole.length === 0)
      violations.push({ kind: 'lost', what, file: '02-webhook-flow.jsonl', detail: 'a stage is missing' });
    if (done.length > 1 && cutTries > 0 && told === undefined) repeats += 1;
    else if (done.length > 1) {
      const ids = done.map(({ metadata }) => String(metadata?.task_id)).join(', ');
      violations.push({ kind: 'worked on twice', what, file, detail: ids });
    }
    leftTasks += Math.max(0, all.length - Math.max(1, done.length));
  }
  return { violations, leftTasks, repeats };
}

function repeated({ lines }: Lines, keyOfLine: (line: Json) => string): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const line of lines) {
    const key = keyOfLine(line);
    if (seen.has(key)) twice.add(key);
    seen.add(key);
  }
  return [...twice];
}

function firstWith(text: string, part: string): string {
  const at = text.indexOf(part);
  return text.slice(Math.max(0, at - 100), at + 60);
}
