import { z } from 'zod';
import type { TaskStep } from '../../compare/task-step.ts';
import { readSteps } from '../../compare/task-steps.ts';
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

/** Something that happened. The key distinguishes it from others of the same time. */
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
    const all = entries
      .filter(({ shown }) => given.kinds === undefined || given.kinds.some((kind) => kind === shown.kind))
      .filter(({ shown }) => !given.failed || shown.failed === true);
    const wanted = after === undefined ? all : entriesAfter(all, after);
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
  const [created, ended] = taskEntries(metadata);
  const entries = [...created, ...stages, ...steps.map(entryOf), ...open, ...ended];
  // Those of one time stay in this order: a step is behind its parent.
  entries.sort((a, b) => (a.at === b.at ? 0 : a.at < b.at ? -1 : 1));
  const spans = others > 0 ? ` ${others} spans of other kinds are not shown.` : '';
  const rest = leftOut > 0 ? ` ${leftOut} steps had no room: the REST request has them.` : '';
  return { entries, title: `${spans}${rest}` };
}

function taskEntries(metadata: JsonObject): readonly [created: Entry[], ended: Entry[]] {
  const { created_at: created, completed_at: completed, status } = metadata;
  const began: Entry[] = [];
  const ended: Entry[] = [];
  if (typeof created === 'string')
    began.push({ at: created, key: '', shown: { at: created, kind: 'task', name: 'created' } });
  if (typeof completed === 'string') {
    const failed = status === 'failed' && { failed: true };
    const shown = { at: completed, kind: 'task', name: 'ended', status, ...failed };
    ended.push({ at: completed, key: '~', shown });
  }
  return [began, ended];
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

/** One that is gone was open, and has ended: its time is shown again rather than left out. */
function entriesAfter(entries: readonly Entry[], { at, key }: Place): readonly Entry[] {
  const place = entries.findIndex((entry) => entry.at === at && entry.key === key);
  return place < 0 ? entries.filter((entry) => entry.at >= at) : entries.slice(place + 1);
}

function encodePlace({ at, key }: Place): string {
  return Buffer.from(JSON.stringify({ at, key })).toString('base64url');
}

function decodePlace(text: string): Place {
  const { at, key } = parseObject(Buffer.from(text, 'base64url').toString('utf8')) ?? {};
  if (typeof at === 'string' && typeof key === 'string') return { at, key };
  throw new TasktrailError('ERR_INPUT_INVALID', 'cursor: must be from an earlier answer of get_timeline');
}
