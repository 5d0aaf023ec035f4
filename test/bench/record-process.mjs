import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay, setImmediate as nextLoop } from 'node:timers/promises';
import pino from 'pino';
import { startTask, startTasktrail } from '../../dist/index.js';

/** Typical length of a line of an agent that streams text. */
const CHARS = 200;
const LINES_A_ROUND = 3_000;
const ROUNDS = 15;
/** Until the JIT has compiled the code. */
const WARM_UP_ROUNDS = 4;
const OFF_CALLS = 200_000;

const dir = process.env.TASK_LOGS_DIR ?? '';
const eventIds = '01JY00000000000000000';
let number = 10_000;

/** A unique line without anything that looks like a secret. */
function line() {
  number += 1;
  return `${String(number).padEnd(8)}${'the quick brown fox reads "src/app.ts" and goes on; '.repeat(4)}`.slice(
    0,
    CHARS,
  );
}

/** Ticks between two looks at the clock. */
const TICKS = 20;

/** Microseconds of CPU of this thread; of the wall clock where the kernel does not count it. */
function cpuMicros() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
  } catch {
    // Not Linux.
    return performance.now() * 1000;
  }
}

/** CPU of this thread per line in microseconds, including work that is deferred to the end of the tick. */
async function measure(write, linesATick) {
  let total = 0;
  for (let done = 0; done < LINES_A_ROUND; done += linesATick * TICKS) {
    const ticks = Array.from({ length: TICKS }, () => Array.from({ length: linesATick }, line));
    await nextLoop();
    const start = cpuMicros();
    for (const texts of ticks) {
      for (const text of texts) write(text);
      await new Promise((resolve) => process.nextTick(resolve));
    }
    total += cpuMicros() - start;
  }
  return total / LINES_A_ROUND;
}

async function measureOff() {
  const trail = await startTasktrail({ flags: { TASK_LOGS_ENABLED: 'false' } });
  const task = startTask({ source: 'bench', message: 'off' });
  const text = line();
  for (let call = 0; call < OFF_CALLS; call += 1) task.output(text);
  const start = performance.now();
  for (let call = 0; call < OFF_CALLS; call += 1) task.output(text);
  const micros = ((performance.now() - start) * 1000) / OFF_CALLS;
  await trail.shutdown();
  return micros;
}

/** Nothing takes the records of a process that only sends: they wait in the journal. */
const hold = process.argv[2] ?? 'may';

async function delivered(trail) {
  if (hold === 'never') return;
  const until = Date.now() + 20_000;
  for (;;) {
    const { recorded, delivered: counts } = trail.books.snapshot();
    if ((counts.holder ?? 0) >= recorded) return;
    if (Date.now() > until) throw new Error('the holder did not take the records in time');
    await delay(10);
  }
}

const off = await measureOff();
mkdirSync(dir, { recursive: true });
const logger = pino(pino.destination({ dest: join(dir, '..', 'pino.log'), sync: true }));
const trail = await startTasktrail({ hold });
const task = startTask({ source: 'bench', message: 'record' });
const toTask = (text) => task.output(text);
// The same fields as in tasktrail's record. pino gets a constant prefix instead of a new id.
const [, traceId, spanId] = /^00-(\w+)-(\w+)-01$/.exec(task.traceparent);
const toPino = (text) =>
  logger.info(
    {
      event_id: `${eventIds}${number}`,
      task_id: task.id,
      attempt: 1,
      trace_id: traceId,
      span_id: spanId,
      type: 'output',
      content: text,
    },
    'tasktrail.agent.output',
  );

const rounds = { tick10: [], pino10: [], tick1: [], pino1: [], whole: [] };
for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
  const pino10 = await measure(toPino, 10);
  const start = cpuMicros();
  const tick10 = await measure(toTask, 10);
  await delivered(trail);
  const whole = (cpuMicros() - start) / LINES_A_ROUND;
  const pino1 = await measure(toPino, 1);
  const tick1 = await measure(toTask, 1);
  await delivered(trail);
  if (round < 0) continue;
  for (const [name, value] of Object.entries({ tick10, pino10, tick1, pino1, whole }))
    rounds[name].push(value);
}
task.end();
await trail.shutdown();
process.stdout.write(`${JSON.stringify({ ...rounds, off })}\n`);
