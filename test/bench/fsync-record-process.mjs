import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextLoop } from 'node:timers/promises';
import { Books } from '../../dist/books.js';
import { Journal } from '../../dist/journal/journal.js';
import { logEntry } from '../../dist/journal/line.js';

const LINES_A_TICK = 10;
const LINES_A_ROUND = 3_000;
const ROUNDS = 15;
/** Until the JIT has compiled the code. */
const WARM_UP_ROUNDS = 4;

const dir = process.env.TASK_LOGS_DIR ?? '';
const source = { resource: { attributes: [] }, scope: { name: 'bench' } };
const text = 'the quick brown fox reads "src/app.ts" and goes on; '.repeat(4);
const record = (n) => ({
  timeUnixNano: '1767323045000000000',
  eventName: 'tasktrail.agent.output',
  body: { stringValue: `${n} ${text}` },
  attributes: [{ key: 'tasktrail.task.id', value: { stringValue: 'task-bench' } }],
});

/** Microseconds of this thread per record, including the write at the end of the tick. */
async function measure(journal, round) {
  let total = 0;
  for (let done = 0; done < LINES_A_ROUND; done += LINES_A_TICK) {
    await nextLoop();
    const start = performance.now();
    for (let n = 0; n < LINES_A_TICK; n += 1)
      journal.append(source, logEntry(record(round * 10_000 + done + n)));
    await new Promise((resolve) => process.nextTick(resolve));
    total += performance.now() - start;
  }
  return (total * 1000) / LINES_A_ROUND;
}

const modes = ['never', 'interval', 'always'];
const journals = modes.map(
  (fsync) =>
    new Journal({
      directory: join(dir, fsync, '_journal'),
      destinations: ['holder'],
      books: new Books(),
      fsync,
    }),
);
const rounds = { never: [], interval: [], always: [] };
for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
  for (const [index, mode] of modes.entries()) {
    const micros = await measure(journals[index], round + WARM_UP_ROUNDS);
    // What is synced later is not part of the next measurement.
    await journals[index].synced();
    if (round >= 0) rounds[mode].push(micros);
  }
}
for (const journal of journals) await journal.close();
process.stdout.write(`${JSON.stringify(rounds)}\n`);
