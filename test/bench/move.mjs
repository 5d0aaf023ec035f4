import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { residentMbOf, settings, withTempDir } from './child.mjs';
import { times } from './figures.mjs';
import { findVictoriaLogs, startVictoriaLogs, stopVictoriaLogs } from './victoria-logs.mjs';
import { addressOf } from './warehouse-store.mjs';

/** More for a long look: `BENCH_TASKS=100000 npm run bench -- move`. */
const TASKS = Number(process.env.BENCH_TASKS ?? 2_000);
const OUTPUT_LINES = 14;
const LINES = OUTPUT_LINES + 4;
const FIRST_MS = Date.parse('2026-01-02T03:04:05Z');

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** `tasktrail import` from files into VictoriaLogs and back, each with its comparison, beside a copy of the files. */
export async function benchMove() {
  const program = await findVictoriaLogs();
  if (program === undefined) return [{ what: 'VictoriaLogs cannot be built here', ratio: '', absolute: '-' }];
  return await withTempDir(async (dir) => {
    const source = join(dir, 'logs');
    for (let task = 0; task < TASKS; task += 1) writeTask(source, task);
    const copy = await timed(() => cp(source, join(dir, 'copy'), { recursive: true }));
    const logs = await startVictoriaLogs(program, join(dir, 'data'));
    try {
      const store = addressOf(logs);
      return [
        await row(dir, { what: 'into VictoriaLogs', from: source, to: store, copy }),
        await row(dir, { what: 'back into files', from: store, to: join(dir, 'back'), copy }),
      ];
    } finally {
      await stopVictoriaLogs(logs);
    }
  });
}

async function row(dir, { what, from, to, copy }) {
  let memory = 0;
  const seconds = await timed(async () => {
    memory = await move(dir, from, to);
  });
  return {
    what: `a move of ${TASKS} tasks of ${LINES} lines ${what}, with its comparison / a copy of the files`,
    ratio: times(seconds / copy),
    absolute: `${seconds.toFixed(0)} s, ${(TASKS / seconds).toFixed(0)} tasks/s, ${memory.toFixed(0)} MB / ${copy.toFixed(1)} s`,
  };
}

/** The largest resident memory that was seen, in MB. */
async function move(dir, from, to) {
  const args = [MAIN, 'import', '--from', from, '--to', to];
  const child = spawn(process.execPath, args, {
    ...{ cwd: dir, env: settings(dir), stdio: ['ignore', 'pipe', 'inherit'] },
  });
  const exit = once(child, 'close');
  let [text, memory] = ['', 0];
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    text = (text + piece).slice(-10_000);
  });
  while (child.exitCode === null && child.signalCode === null) {
    memory = Math.max(memory, await residentMbOf(child.pid));
    await delay(100);
  }
  await exit;
  if (child.exitCode !== 0 || !text.includes('all are the same'))
    throw new Error(`the move ended with ${child.exitCode}: ${text}`);
  return memory;
}

/** A task that has ended: its facts and output. */
function writeTask(dir, task) {
  const folder = join(dir, `task-${String(task).padStart(8, '0')}`);
  mkdirSync(folder, { recursive: true });
  let number = 0;
  const lineOf = (more) => {
    number += 1;
    const at = new Date(FIRST_MS + task * 1_000 + number).toISOString();
    return `${JSON.stringify({ timestamp: at, event_id: `01KDY${String(task * 100 + number).padStart(21, '0')}`, ...more })}\n`;
  };
  const fact = (event, body) =>
    lineOf({ event: `tasktrail.task.${event}`, trace_id: null, span_id: null, attempt: 1, body });
  const first = [
    fact('metadata', { source: 'api', status: 'running' }),
    fact('input', { message: `summary ${task}`, source_metadata: {} }),
    fact('metadata', { assigned_agent: `agent${task % 3}` }),
  ];
  const output = Array.from({ length: OUTPUT_LINES }, (_, line) =>
    lineOf({ type: 'output', content: `line ${line}: ${'the quick brown fox goes on; '.repeat(3)}\n` }),
  );
  const last = fact('result', { success: true, status: 'completed', result: 'ok', error: null });
  writeFileSync(join(folder, 'facts.jsonl'), [...first, last].join(''));
  writeFileSync(join(folder, '03-agent-output.jsonl'), output.join(''));
}

/** Seconds. */
async function timed(use) {
  const start = performance.now();
  await use();
  return (performance.now() - start) / 1_000;
}
