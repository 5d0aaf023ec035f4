import { createInterface } from 'node:readline';
import { setTimeout as delay, setImmediate as nextLoop } from 'node:timers/promises';
import { startTask, startTasktrail } from '../../dist/index.js';

/** Typical length of a line of an agent that streams text. */
const CHARS = 200;
/** An agent prints several lines at once, which the worker reads together. */
const LINES_A_TICK = 10;
const PAD = 'the quick brown fox reads "src/app.ts" and goes on; '.repeat(4);

// Records and sends output lines on request: `{lines}` at full speed or `{lines, perSecond}`. Each line has its timestamp.
const trail = await startTasktrail();
const task = startTask({ source: 'bench', message: 'record' });
process.stdout.write(`${JSON.stringify({ taskId: task.id })}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const { lines, perSecond } = JSON.parse(line);
  const startMs = Date.now();
  for (let number = 0; number < lines; number += 1) {
    if (perSecond === undefined) {
      if (number % LINES_A_TICK === 0) await nextLoop();
    } else {
      const waitMs = startMs + (number * 1000) / perSecond - Date.now();
      if (waitMs > 0) await delay(waitMs);
    }
    task.output(`${number} at ${Date.now()}; ${PAD}`.slice(0, CHARS));
  }
  const { recorded, dropped } = trail.books.snapshot();
  process.stdout.write(`${JSON.stringify({ recorded, dropped })}\n`);
}
task.end();
await trail.shutdown();
