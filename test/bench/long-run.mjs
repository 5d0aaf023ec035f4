import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const RUN_MS = 7_200_000;
const PART = 5_000;

/** Writes a task of two hours with this many lines, each of about `lineBytes`. */
export function writeLongRun(logs, { id, lines, lineBytes, metadata }) {
  const folder = join(logs, id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const startMs = Date.now() - 2 * RUN_MS;
  const at = (n) => new Date(startMs + Math.floor((n * RUN_MS) / lines)).toISOString();
  const fd = openSync(join(folder, '03-agent-output.jsonl'), 'w');
  for (let from = 0; from < lines; from += PART) {
    let text = '';
    for (let n = from; n < Math.min(from + PART, lines); n += 1)
      text += `${JSON.stringify(lineOf(n, at(n), lineBytes))}\n`;
    writeSync(fd, text);
  }
  closeSync(fd);
  const document = { task_id: id, created_at: at(0), attempt: 1, workflow_ids: [], schema_version: 1 };
  const isOver = metadata.status === 'completed';
  const over = isOver && { started_at: at(0), completed_at: at(lines), settled: true };
  writeFileSync(join(folder, 'metadata.json'), `${JSON.stringify({ ...document, ...over, ...metadata })}\n`);
}

/** Of ten lines: a message, two calls with their results, and what a program prints. */
function lineOf(n, timestamp, lineBytes) {
  const common = { timestamp, event_id: `01KDY${String(n).padStart(21, '0')}` };
  const filled = (line, make) => {
    const room = Math.max(0, lineBytes - 1 - JSON.stringify({ ...line, ...make('') }).length);
    return { ...line, ...make(`word${n % 977} `.repeat(Math.ceil(room / 5)).slice(0, room)) };
  };
  switch (n % 10) {
    case 0:
      return filled({ ...common, type: 'output' }, (text) => ({
        content: `**line ${n}** of \`app.ts\` ${text}`,
      }));
    case 1:
    case 3:
      return filled(
        { ...common, type: 'tool_call', content: '', tool_name: 'Bash', tool_use_id: `call-${n}` },
        (text) => ({ tool_input: { command: `npm test ${n} ${text}` } }),
      );
    case 2:
    case 4:
      return filled(
        { ...common, type: 'tool_result', tool_use_id: `call-${n - 1}`, is_error: false },
        (text) => ({ content: `result ${n} ${text}` }),
      );
    default:
      return filled({ ...common, type: 'output' }, (text) => ({ content: `line ${n} ${text}\n` }));
  }
}
