import { type Fact, TOKEN } from '../ledger.ts';
import { checkDocuments } from './documents.ts';
import type { Evidence, Json, Lines } from './evidence.ts';
import type { History } from './history.ts';
import { checkRuns } from './runs.ts';
import { checkTold } from './told.ts';

export const VIOLATIONS = [
  'lost',
  'doubled',
  'disagrees',
  'delivery lost',
  'delivery doubled',
  'worked on twice',
  'step ran twice',
  'agent line lost',
  'agent line doubled',
  'forged',
  'unfinished',
  'endpoint lost',
  'books',
  'answers differ',
  'not notified',
  'notified twice',
] as const;

export interface Violation {
  readonly kind: (typeof VIOLATIONS)[number];
  /** A token, or an id. */
  readonly what: string;
  readonly file: string;
  readonly detail: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly counts: {
    readonly acknowledged: number;
    readonly foundOnce: number;
    readonly lost: number;
    readonly doubled: number;
    /** Facts that may be lost, and are: recorded while the disk refused writes. */
    readonly excused: number;
    readonly byKind: Readonly<Record<string, number>>;
    readonly tasks: number;
    readonly agentRuns: number;
    readonly badLines: number;
    /** Failed tasks of deliveries that were answered 503 and sent again. */
    readonly leftTasks: number;
    /** Deliveries that were worked on twice after a try that was cut off, a documented limit. */
    readonly repeats: number;
  };
}

/** Holds what was acknowledged against what stands in the directory. */
export function check(history: History, evidence: Evidence): Verdict {
  const index = indexTokens(evidence);
  const violations: Violation[] = [];
  const byKind: Record<string, number> = {};
  const counts = { acknowledged: 0, foundOnce: 0, lost: 0, excused: 0 };
  for (const fact of history.facts) {
    byKind[fact.kind] = (byKind[fact.kind] ?? 0) + 1;
    counts.acknowledged += 1;
    const found = index.get(placeOf(fact))?.get(fact.token) ?? 0;
    if (found === 1) counts.foundOnce += 1;
    if (found > 0) continue;
    if (history.mayBeLost?.(fact) === true) counts.excused += 1;
    else {
      counts.lost += 1;
      violations.push({
        kind: fact.kind === 'delivery' ? 'delivery lost' : 'lost',
        what: fact.token,
        file: placeOf(fact),
        detail: `${JSON.stringify(fact)} ${elsewhere(index, fact.token)}`,
      });
    }
  }
  const doubled = doubledIn(index);
  const { violations: more, leftTasks, repeats } = checkDocuments(history, evidence);
  violations.push(...doubled, ...more, ...checkRuns(history, evidence), ...endpointLost(history));
  violations.push(...checkTold(history, evidence));
  return {
    violations,
    counts: {
      ...counts,
      doubled: doubled.length,
      byKind,
      tasks: evidence.tasks.size,
      agentRuns: history.runs.length,
      badLines: badLinesOf(evidence),
      leftTasks,
      repeats,
    },
  };
}

/** The name of the place in which the token of a fact stands. */
function placeOf(fact: Fact): string {
  switch (fact.kind) {
    case 'output':
      return `${fact.task}/03-agent-output.jsonl`;
    case 'span':
      return `${fact.task}/trace.jsonl`;
    case 'input':
    case 'queued':
      return `${fact.task}/01-input.json`;
    case 'result':
      return `${fact.task}/04-final-result.json`;
    case 'event':
      return `_workflow/${fact.workflow}.jsonl`;
    case 'delivery':
      return '_webhooks';
    case 'run':
      return '*/01-input.json';
  }
}

type Index = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** By place and token: in how many lines the token stands. */
function indexTokens({ tasks, workflows, deliveries }: Evidence): Index {
  const index = new Map<string, Map<string, number>>();
  const note = (place: string, value: unknown): void => {
    const counts = index.get(place) ?? new Map<string, number>();
    index.set(place, counts);
    for (const token of new Set(JSON.stringify(value).match(TOKEN) ?? [])) {
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
  };
  for (const [id, task] of tasks) {
    for (const line of task.output.lines) note(`${id}/03-agent-output.jsonl`, line);
    for (const line of task.facts.lines) note(`${id}/facts.jsonl`, line);
    for (const line of task.trace.lines) note(`${id}/trace.jsonl`, line);
    if (task.result !== undefined) note(`${id}/04-final-result.json`, task.result);
    if (task.input === undefined) continue;
    note(`${id}/01-input.json`, task.input);
    if (task.metadata?.source === 'cli') note('*/01-input.json', task.input);
  }
  for (const [id, { events }] of workflows) {
    for (const line of events.lines) note(`_workflow/${id}.jsonl`, withoutRepeats(line));
  }
  for (const line of deliveries.lines) {
    if (line.outcome === 'accepted') note('_webhooks', line.delivery_id);
  }
  return index;
}

/** Completion events repeat the artifacts of their step or phase. */
function withoutRepeats({ payload, ...line }: Json): Json {
  const { artifacts: _, summary: __, ...own } = Object(payload) as Json;
  return { ...line, payload: own };
}

/** A token twice in one place, acknowledged or not. */
function doubledIn(index: Index): Violation[] {
  const found: Violation[] = [];
  for (const [file, tokens] of index) {
    // They repeat the texts of what they are about, such as the path of an artifact.
    if (file.endsWith('/trace.jsonl') || file.endsWith('/facts.jsonl')) continue;
    for (const [what, count] of tokens) {
      if (count > 1) {
        const kind = file === '_webhooks' ? 'delivery doubled' : 'doubled';
        found.push({ kind, what, file, detail: `${count} times` });
      }
    }
  }
  return found;
}

function elsewhere(index: Index, token: string): string {
  const places = [...index].filter(([, tokens]) => tokens.has(token)).map(([place]) => place);
  return places.length === 0 ? '(nowhere else)' : `(but in ${places.join(', ')})`;
}

function endpointLost({ facts, atEndpoint, mayBeLost }: History): Violation[] {
  if (atEndpoint === undefined) return [];
  return facts
    .filter(({ kind, by, token }) => kind === 'output' && by.startsWith('rec') && !atEndpoint.has(token))
    .filter((fact) => mayBeLost?.(fact) !== true)
    .map(({ token, by }) => ({ kind: 'endpoint lost', what: token, file: 'the endpoint', detail: by }));
}

function badLinesOf({ tasks, workflows, deliveries }: Evidence): number {
  const all: Lines[] = [deliveries];
  for (const { flow, output, facts, trace } of tasks.values()) all.push(flow, output, facts, trace);
  for (const { events } of workflows.values()) all.push(events);
  return all.reduce((sum, { bad }) => sum + bad, 0);
}
