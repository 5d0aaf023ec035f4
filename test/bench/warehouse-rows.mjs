import { VictoriaLogs } from '../../dist/warehouse/client.js';
import { taskLine } from '../../dist/warehouse/write/new-lines.js';
import { RowWriter } from '../../dist/warehouse/write/row-writer.js';
import { createdIn, TaskMarks } from '../../dist/warehouse/write/task-marks.js';

/** Tasks and lines of one call of the writer. */
const TASKS_A_STEP = 500;
const LINES_A_STEP = 5_000;

/** As many days as VictoriaLogs keeps by default. The last tasks came an hour ago. */
const SPAN_MS = 7 * 86_400_000;
const AGO_MS = 3_600_000;

const FIRST_MS = 1_750_000_000_000;
const SENTENCE = 'the quick brown fox goes on; '.repeat(5);

/** Fills a VictoriaLogs with the rows that a service would write, by its own writer. Resolves with their number. */
export async function fillTasks(address, count) {
  const startMs = Date.now() - AGO_MS - SPAN_MS;
  let done = 0;
  const writer = new RowWriter(new VictoriaLogs(address), () => startMs + (done / count) * SPAN_MS);
  const marks = new TaskMarks();
  let rows = 0;
  for (; done < count; done += TASKS_A_STEP) {
    const lines = [];
    for (let number = done; number < Math.min(count, done + TASKS_A_STEP); number += 1)
      lines.push(...linesOf(number, marks));
    await writer.store(lines);
    rows += lines.length;
  }
  return rows;
}

/** One task whose output has so many lines. */
export async function fillLines(address, taskId, count) {
  const startMs = Date.now() - AGO_MS;
  let done = 0;
  const writer = new RowWriter(new VictoriaLogs(address), () => startMs + (done / count) * AGO_MS);
  const marks = new TaskMarks();
  for (; done < count; done += LINES_A_STEP) {
    const marked = marks.open(taskId);
    const lines = [];
    for (let number = done; number < Math.min(count, done + LINES_A_STEP); number += 1) {
      const text = `line ${number} of ${taskId}. ${SENTENCE}`;
      add(lines, marked, taskId, output(taskId, number, { type: 'output', content: text }));
    }
    lines.push(...marked.marks());
    await writer.store(lines);
    marked.stored();
  }
}

/** Three facts and six lines: two texts, two calls with their results. */
function linesOf(number, marks) {
  const taskId = `task-${number}`;
  const created = FIRST_MS + number * 1_000;
  const status = number % 20 === 0 ? 'failed' : 'completed';
  const fact = (step, event, body) => ({
    ...{ kind: 'fact', taskId },
    line: {
      ...{ timestamp: new Date(created + step).toISOString(), event_id: eventId(`${number}`, step) },
      ...{ event, attempt: 1, trace_id: null, span_id: null, body },
    },
  });
  const call = (step) => {
    const shared = { tool_name: step % 4 === 0 ? 'Bash' : 'Read', tool_use_id: `toolu_${number}_${step}` };
    return [
      output(taskId, step, { ...shared, type: 'tool_call', tool_input: { command: `npm test ${number}` } }),
      output(taskId, step + 1, { ...shared, type: 'tool_result', content: `it has ended: ${SENTENCE}` }),
    ];
  };
  const changes = [
    fact(0, 'tasktrail.task.metadata', {
      ...{ source: 'bench', assigned_agent: number % 3 === 0 ? 'codex' : 'claude', status: 'running' },
      created_at: new Date(created).toISOString(),
    }),
    fact(1, 'tasktrail.task.input', {
      message: `word${number % 5_000} of a summary ${number}`,
      source_metadata: { repo: `acme/shop${number % 50}` },
    }),
    output(taskId, 2, { type: 'output', content: `begins with name${number % 1_000}. ${SENTENCE}` }),
    ...call(4),
    ...call(6),
    output(taskId, 8, { type: 'output', content: `ends as ${number}. ${SENTENCE}` }),
    fact(9, 'tasktrail.task.result', {
      ...{ success: status === 'completed', status, result: 'done', error: null },
      metrics: { cost_usd: (number % 1_000) / 100 },
    }),
  ];
  const marked = marks.open(taskId);
  const lines = [];
  for (const change of changes) add(lines, marked, taskId, change);
  return [...lines, ...marked.marks()];
}

function add(lines, marked, taskId, change) {
  const line = taskLine(taskId, change, Date.now());
  lines.push(line);
  marked.see(line, change.kind === 'fact' ? createdIn(change.line) : undefined);
}

function output(taskId, number, values) {
  const timestamp = new Date(FIRST_MS + number).toISOString();
  const line = { timestamp, ...values, event_id: lineId(taskId, number) };
  return { kind: 'line', taskId, file: 'agentOutput', line };
}

/** Of a line of output. */
export function lineId(taskId, number) {
  return eventId(taskId.replace('task-', ''), number);
}

function eventId(prefix, number) {
  return `01JY${prefix.slice(0, 8).padStart(8, '0')}${String(number).padStart(14, '0')}`;
}
