import { createHash } from 'node:crypto';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src/model/json.ts';
import type { WorkflowDocument } from '../../src/model/workflow.ts';
import { nodeOfPayload } from '../../src/model/workflow-node.ts';
import type { WorkflowFact } from '../../src/project/change.ts';
import { WorkflowFold } from '../../src/project/workflow-fold.ts';

const BASE_MS = Date.UTC(2026, 10, 21, 10);

/** An event of a workflow, `second` seconds after 10:00. */
export function fact(id: string, second: number, more: Partial<WorkflowFact> = {}): WorkflowFact {
  const payload = more.payload ?? {};
  return {
    timestamp: new Date(BASE_MS + second * 1000).toISOString(),
    event_id: `${id}-${String(second).padStart(6, '0')}-${more.event_type ?? 'workflow_start'}`,
    workflow_id: id,
    event_type: 'workflow_start',
    attempt: null,
    key: null,
    ...nodeOfPayload(payload),
    task_id: null,
    work_item_id: null,
    name: null,
    phases: null,
    project: 'shop',
    environment: 'test',
    trace_id: null,
    span_id: null,
    parent_id: null,
    payload,
    ...more,
  };
}

const at = (id: string, second: number, event_type: string, payload: JsonObject): WorkflowFact =>
  fact(id, second, { event_type, payload });

/** A workflow with one phase, one step and an artifact. */
export function wholeRun(id: string, start: Partial<WorkflowFact> = {}): WorkflowFact[] {
  const step = { name: 'generate-spec', status: 'success', duration_ms: 900 };
  return [
    fact(id, 0, { payload: { context: { work_item_id: '199' } }, ...start }),
    at(id, 1, 'phase_start', { phase: 'architect', steps: ['generate-spec'] }),
    at(id, 2, 'step_start', { phase: 'architect', step: { name: 'generate-spec', skill: 'spec' } }),
    at(id, 3, 'artifact_create', { artifact: { type: 'spec', path: '/specs/x.md' }, step: 'generate-spec' }),
    at(id, 4, 'step_complete', { phase: 'architect', step }),
    at(id, 5, 'phase_complete', { phase: 'architect', status: 'success' }),
    at(id, 6, 'workflow_complete', { status: 'success' }),
  ];
}

export function foldOf(id: string, facts: readonly WorkflowFact[]): WorkflowFold {
  const fold = new WorkflowFold(id, (text) => createHash('sha256').update(text).digest('hex'));
  fold.add(facts);
  return fold;
}

export function documentOf(id: string, facts: readonly WorkflowFact[], revision = 1): WorkflowDocument {
  const document = foldOf(id, facts).document(revision);
  if (document === undefined) throw new Error(`${id} has not ended`);
  return document;
}

export function linesOf(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/** The contents of a workflow's files. Strings are written unchanged, other values as JSON lines. */
export interface WorkflowFixture {
  readonly facts?: readonly unknown[] | string;
  readonly events?: readonly unknown[] | string;
  readonly document?: unknown;
  readonly uploaded?: unknown;
}

/** Writes the files of a workflow, with literal names because they are public, and returns the folder. */
export function writeWorkflow(dir: string, name: string, files: WorkflowFixture): string {
  mkdirSync(dir, { recursive: true });
  const put = (suffix: string, text: string): void => writeFileSync(join(dir, name + suffix), text);
  const { facts, events, document, uploaded } = files;
  if (facts !== undefined) put('.facts', typeof facts === 'string' ? facts : linesOf(facts));
  if (events !== undefined) put('.jsonl', typeof events === 'string' ? events : linesOf(events));
  if (document !== undefined) put('.json', typeof document === 'string' ? document : linesOf([document]));
  if (uploaded !== undefined) put('.uploaded', linesOf([uploaded]));
  // As the holder leaves them when it stores an event at once.
  const last = lastTimeOf(Array.isArray(facts) ? facts : [document]);
  const written = facts === undefined ? '.json' : '.facts';
  if (last !== undefined) utimesSync(join(dir, name + written), last, last);
  return dir;
}

function lastTimeOf(facts: readonly unknown[]): Date | undefined {
  const { timestamp } = (facts.at(-1) ?? {}) as { readonly timestamp?: unknown };
  return typeof timestamp === 'string' ? new Date(timestamp) : undefined;
}
