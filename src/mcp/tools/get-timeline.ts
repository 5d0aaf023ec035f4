import { z } from 'zod';
import { readSteps, type TaskStep } from '../../compare/task-steps.ts';
import { TasktrailError } from '../../errors.ts';
import { isTerminal } from '../../model/documents.ts';
import { checkId, isWorkflowId } from '../../model/ids.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import type { McpReader } from '../mcp-reader.ts';
import { defineTool, type Tool, type ToolContext } from '../tool.ts';
import { Rows } from '../tool-answer.ts';
import { cursor, linkOf, rowLimit, taskId } from '../tool-arguments.ts';
import { notFound } from './get-task.ts';

const ROW_BYTES_MAX = 1_500;

/** Stages of a task come from a handful of deliveries. */
const STAGES_MAX = 1_000;

/** Workflows of a task whose open phases are looked up. */
const WORKFLOWS_MAX = 5;

/** Something that happened. Entries of one time are in the order of their keys. */
interface Entry {
  readonly at: string;
  readonly key: string;
  readonly shown: JsonObject;
}

type Place = Pick<Entry, 'at' | 'key'>;

export const getTimeline: Tool = defineTool({
  name: 'get_timeline',
  title: 'Get the timeline of a task',
  description:
    'What happened in a task, in the order of the beginnings: stages of the webhook, attempts, phases, steps, agent runs and tool calls, ' +
    'each with its duration in seconds and whether it failed. A phase or step without seconds is still open.',
  schema: z.strictObject({
    task_id: taskId,
    kinds: z
      .array(z.enum(['task', 'stage', 'attempt', 'workflow', 'phase', 'step', 'agent', 'tool']))
      .max(8)
      .optional()
      .describe('Only these. Default: all.'),
    failed: z.boolean().default(false).describe('Only what failed.'),
    limit: rowLimit(100, 500),
    cursor,
  }),
  run: async (given, context) => {
    const id = checkId('task_id', given.task_id);
    const metadata = await context.reader.readDocument(id, 'metadata');
    if (metadata === undefined && !(await context.reader.hasTask(id))) throw notFound(id);
    const after = given.cursor === undefined ? undefined : decodePlace(given.cursor);
    const { entries, title } = await readEntries(id, metadata ?? {}, context);
    const wanted = entries
      .filter(({ shown }) => given.kinds === undefined || given.kinds.some((kind) => kind === shown.kind))
      .filter(({ shown }) => !given.failed || shown.failed === true)
      .sort(compare)
      .filter((entry) => after === undefined || compare(entry, after) > 0);
    const rows = new Rows();
    for (const { shown } of wanted.slice(0, given.limit)) if (!rows.add(shown, ROW_BYTES_MAX)) break;
    const last = wanted[rows.texts.length - 1];
    const isEnd = rows.texts.length === wanted.length || last === undefined;
    const link = linkOf(`/api/tasks/${id}/trace`, {});
    return {
      title: `${rows.texts.length} of ${wanted.length} entries.${title}`,
      rows: rows.texts,
      more: isEnd ? [] : [{ arguments: { cursor: encodePlace(last) }, link }],
      links: isEnd ? [link] : [],
    };
  },
});

async function readEntries(
  id: string,
  metadata: JsonObject,
  { reader, signal }: ToolContext,
): Promise<{ readonly entries: Entry[]; readonly title: string }> {
  const { steps, others, leftOut } = await readSteps(reader, id, { signal });
  const stages = await readStages(reader, id);
  const open = isTerminal(metadata.status) ? [] : await readOpen(reader, metadata);
  const entries = [...taskEntries(metadata), ...stages, ...steps.map(entryOf), ...open];
  const spans = others > 0 ? ` ${others} spans of other kinds are not shown.` : '';
  const rest = leftOut > 0 ? ` ${leftOut} steps had no room: the REST request has them.` : '';
  return { entries, title: `${spans}${rest}` };
}

function taskEntries({ created_at: created, completed_at: completed, status }: JsonObject): Entry[] {
  const entries: Entry[] = [];
  if (typeof created === 'string')
    entries.push({ at: created, key: '', shown: { at: created, kind: 'task', name: 'created' } });
  if (typeof completed === 'string')
    entries.push({
      at: completed,
      key: '~',
      shown: {
        at: completed,
        kind: 'task',
        name: 'ended',
        status,
        ...(status === 'failed' && { failed: true }),
      },
    });
  return entries;
}

async function readStages(reader: McpReader, id: string): Promise<Entry[]> {
  const window = await reader.openWindow(id, 'webhook-flow', { limit: STAGES_MAX });
  if (window === undefined) return [];
  const entries: Entry[] = [];
  try {
    for await (const line of window.lines()) {
      const { timestamp: at, event_id: key, stage, ...fields } = parseObject(line) ?? {};
      if (typeof at !== 'string') continue;
      const failed = fields.success === false && fields.status !== 'skipped';
      const shown = { at, kind: 'stage', name: stage, ...(failed && { failed }), ...fields };
      entries.push({ at, key: typeof key === 'string' ? key : '', shown });
    }
  } finally {
    await window.close();
  }
  return entries;
}

/** Phases and steps that have begun: their spans come when they end. */
async function readOpen(reader: McpReader, { workflow_ids: ids }: JsonObject): Promise<Entry[]> {
  const known = (Array.isArray(ids) ? ids : []).filter(isWorkflowId).slice(-WORKFLOWS_MAX);
  const entries: Entry[] = [];
  for (const id of known) {
    const workflow = await reader.readWorkflow(id);
    for (const { phase, step, started_at: at, completed_at: end } of workflow?.state.levels ?? []) {
      if (at === null || end !== null || phase === null) continue;
      const shown = { at, kind: step === null ? 'phase' : 'step', name: step ?? phase, phase, open: true };
      entries.push({ at, key: `${id} ${phase} ${step ?? ''}`, shown });
    }
  }
  return entries;
}

function entryOf(one: TaskStep): Entry {
  const { kind, name, phase, step, attempt, at, seconds, isFailed, errorType, costUsd } = one;
  const shown = {
    at,
    kind,
    name,
    ...(phase !== null && kind !== 'phase' && { phase }),
    ...(step !== null && kind !== 'step' && { step }),
    ...(attempt > 1 && { attempt }),
    seconds,
    ...(isFailed && { failed: true, error_type: errorType }),
    ...(costUsd !== null && { cost_usd: costUsd }),
    ...(one.inputTokens !== null && { input_tokens: one.inputTokens, output_tokens: one.outputTokens }),
  };
  return { at, key: one.spanId, shown };
}

function compare(a: Place, b: Place): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1;
  if (a.key === b.key) return 0;
  return a.key < b.key ? -1 : 1;
}

function encodePlace({ at, key }: Place): string {
  return Buffer.from(JSON.stringify({ at, key })).toString('base64url');
}

function decodePlace(text: string): Place {
  const { at, key } = parseObject(Buffer.from(text, 'base64url').toString('utf8')) ?? {};
  if (typeof at === 'string' && typeof key === 'string') return { at, key };
  throw new TasktrailError('ERR_INPUT_INVALID', 'cursor: must be from an earlier answer of get_timeline');
}
