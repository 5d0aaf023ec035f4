import type { Facets, Stats } from '../../../client/api/shapes.ts';
import { TASK_FACETS } from '../../../model/task-reading.ts';
import { read } from '../data/api.ts';

/** A text that may stand in place of the last part of the query. */
export interface Suggestion {
  readonly text: string;
  readonly about: string;
}

/** Fields of the query, with what they are about. Those with a group have known values. */
const FIELDS: readonly (readonly [string, string, string?])[] = [
  ['status', 'how it stands', 'status'],
  ['agent', 'who worked', 'agent'],
  ['repo', 'repository', 'repo'],
  ['model', 'model of the agent', 'model'],
  ['command', 'command of the webhook', 'command'],
  ['provider', 'github, jira, slack, ...', 'provider'],
  ['tool', 'a tool that was called', 'tool'],
  ['workflow', 'id of a workflow', 'workflow'],
  ['source', 'webhook, api, cli, ...', 'source'],
  ['error_type', 'kind of the error', 'error_type'],
  ['issue', 'number or key: 42, APP-7'],
  ['trace', 'id of the trace'],
  ['url', 'where it was asked for: https://...*'],
  ['comment_id', 'of the comment that started it'],
  ['cost', 'US dollars: >0.5, 0.1..0.5'],
  ['tokens', 'input and output: >20k'],
  ['duration', '>5m, <=30s'],
  ['attempt', '>1'],
  ['since', '2h, 7d, 2026-01-31'],
  ['until', '2h, 7d, 2026-01-31'],
];

/** Fields whose values can be suggested. */
const FACETS: ReadonlySet<string> = new Set(TASK_FACETS);

const SUGGESTIONS_MAX = 8;

/** The part of the query that is being typed: what follows the last space outside of quotes. */
export function lastPart(q: string): string {
  const isQuoted = (q.match(/"/g)?.length ?? 0) % 2 === 1;
  return q.slice((isQuoted ? q.lastIndexOf(' ', q.lastIndexOf('"')) : q.lastIndexOf(' ')) + 1);
}

/** Fields that begin like the last part, or values of its field. Empty for words. */
export async function suggest(q: string, abort: AbortSignal): Promise<readonly Suggestion[]> {
  const part = lastPart(q).replace(/^-/, '');
  if (part === '') return [];
  const colon = part.indexOf(':');
  if (colon < 0) {
    return FIELDS.filter(([name]) => name.startsWith(part.toLowerCase())).map(([name, about]) => ({
      text: `${name}:`,
      about,
    }));
  }
  const [name, begun] = [part.slice(0, colon).toLowerCase(), part.slice(colon + 1).toLowerCase()];
  const group = FIELDS.find(([one]) => one === name)?.[2];
  if (group === undefined) return [];
  const values = await valuesOf(group, abort);
  return values
    .filter(({ value }) => value.toLowerCase().includes(begun) && value.toLowerCase() !== begun)
    .sort((a, b) => b.count - a.count)
    .slice(0, SUGGESTIONS_MAX)
    .map(({ value, count }) => ({
      text: `${name}:${/[\s,"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value}`,
      about: `${count}`,
    }));
}

async function valuesOf(
  group: string,
  abort: AbortSignal,
): Promise<readonly { readonly value: string; readonly count: number }[]> {
  const rows: readonly { readonly value: unknown; readonly count: number }[] = FACETS.has(group)
    ? (await read<Facets>('/facets', { of: group }, abort)).facets.flatMap(({ values }) => values)
    : (await read<Stats>('/stats', { group_by: group }, abort)).rows.map((row) => ({
        value: Reflect.get(row, group) as unknown,
        count: row.count,
      }));
  return rows.filter((row): row is { value: string; count: number } => typeof row.value === 'string');
}

/** The query with the suggestion in place of its last part. */
export function completed(q: string, { text }: Suggestion): string {
  const part = lastPart(q);
  const minus = part.startsWith('-') ? '-' : '';
  const end = text.endsWith(':') ? '' : ' ';
  return q.slice(0, q.length - part.length) + minus + text + end;
}
