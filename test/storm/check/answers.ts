import { setTimeout as delay } from 'node:timers/promises';
import type { Violation } from './check.ts';
import type { Evidence, Json, Lines, TaskEvidence, WorkflowEvidence } from './evidence.ts';

/** Requests at once: each is a few queries. */
const REQUESTS_MAX = 4;

/** Longest wait for an answer at the end, when everything is well. */
const ANSWER_MS_MAX = 40_000;

const TRIES = 5;

/** Ages grow between two answers. */
const AGES = /"(?:heartbeat|last_line)_age_seconds":[\d.]+/g;

export interface Answers {
  readonly evidence: Evidence;
  readonly violations: readonly Violation[];
}

/** Reads everything through REST of all services, which must answer alike. */
export async function readAnswers(urls: readonly string[]): Promise<Answers> {
  const violations: Violation[] = [];
  /** The answer of the first one. */
  const get = async (path: string): Promise<unknown> => {
    const [first = '', ...others] = await Promise.all(urls.map((url) => ask(`${url}/api${path}`)));
    for (const other of others)
      if (other !== first)
        violations.push({
          kind: 'answers differ',
          what: path,
          file: 'REST',
          detail: difference(first, other),
        });
    return JSON.parse(first.slice(first.indexOf('\n') + 1));
  };
  const list = async (path: string): Promise<readonly Json[]> => {
    const items: Json[] = [];
    for (let cursor = ''; ; ) {
      const page = (await get(`${path}?limit=200${cursor}`)) as {
        readonly items: readonly Json[];
        readonly next_cursor: string | null;
      };
      items.push(...page.items);
      if (page.next_cursor === null) return items;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  };
  const ids = (await list('/tasks')).map(({ task_id: id }) => String(id));
  const workflowIds = (await list('/workflows')).map(({ workflow_id: id }) => String(id));
  const deliveries = await list('/webhooks');
  await get('/stats?group_by=status');
  const tasks = new Map<string, TaskEvidence>();
  await each(ids, async (id) => {
    const full = (await get(`/tasks/${id}/logs/full`)) as Json;
    const trace = (await get(`/tasks/${id}/trace`)) as readonly Json[];
    tasks.set(id, {
      metadata: full.metadata as Json | undefined,
      input: full.input as Json | undefined,
      result: full.final_result as Json | undefined,
      flow: linesOf(full.webhook_flow),
      output: linesOf(full.agent_output),
      facts: linesOf([]),
      trace: linesOf(trace),
      text: JSON.stringify([full, trace]),
    });
  });
  const workflows = new Map<string, WorkflowEvidence>();
  await each(workflowIds, async (id) => {
    const events = linesOf(await get(`/workflows/${id}/events`));
    const view = (await get(`/workflows/${id}`)) as Json;
    // An answer has the fields of the document, once there is one.
    const document = 'event_type' in view ? view : undefined;
    workflows.set(id, { events, document, text: JSON.stringify([events, view]) });
  });
  const evidence = {
    ...{ isFiles: false, tasks, workflows, deliveries: linesOf(deliveries) },
    ...{ segments: [], queued: [] },
  };
  return { evidence, violations };
}

/** Tasks that a service shows without an end. Undefined while it does not answer. */
export async function openTasks(url: string): Promise<readonly string[] | undefined> {
  const open: string[] = [];
  for (const status of ['queued', 'running', 'waiting_input']) {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const answer = await fetch(`${url}/api/tasks?status=${status}&limit=500`, { signal }).catch(
      () => undefined,
    );
    if (answer?.status !== 200) return undefined;
    const { items } = (await answer.json()) as { readonly items: readonly Json[] };
    open.push(...items.map(({ task_id: id }) => String(id)));
  }
  return open;
}

/** Status and text. */
async function ask(url: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      const text = await answer.text();
      if (answer.status === 200) return `200\n${text.replaceAll(AGES, '"age":0')}`;
      if (tries === TRIES) throw new Error(`${url} answers ${answer.status}: ${text}`);
    } catch (error) {
      if (tries === TRIES) throw error;
    }
    await delay(1_000);
  }
}

function linesOf(value: unknown): Lines {
  return { lines: (value ?? []) as readonly Json[], bad: 0 };
}

async function each(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
  const left = [...ids];
  const next = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) await work(id);
  };
  await Promise.all(Array.from({ length: REQUESTS_MAX }, next));
}

/** Both texts around the first place in which they differ. */
function difference(one: string, other: string): string {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  const shown = (text: string): string => text.slice(Math.max(0, at - 80), at + 120);
  return `${shown(one)} | ${shown(other)}`;
}
