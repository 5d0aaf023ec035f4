import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { recordTask, startTasktrail } from '../../dist/index.js';
import { coreShare } from './core-share.mjs';

// A worker with many concurrent agents. Another process holds the log directory.
const trail = await startTasktrail({ hold: 'never' });

for await (const line of createInterface({ input: process.stdin })) {
  const { command, agents, idleMs, warmUpMs, busyMs } = JSON.parse(line);
  const idle = await coreShare(idleMs);
  const started = [];
  const runs = Array.from({ length: agents }, (_, number) =>
    recordTask({ source: 'bench', message: `agent ${number}` }, (task) => {
      const { promise, resolve } = withResolver();
      started.push(promise);
      return task.runAgent(command, { dialect: 'claude', onOutput: resolve });
    }),
  );
  const all = Promise.all(runs);
  // A run that fails before its first line ends the wait.
  await Promise.race([all, Promise.all(started)]);
  await delay(warmUpMs);
  const busy = await coreShare(busyMs);
  await all;
  await trail.shutdown();
  const { delivered } = trail.books.snapshot();
  process.stdout.write(`${JSON.stringify({ idle, busy, delivered: delivered.holder ?? 0 })}\n`);
}

function withResolver() {
  let resolve = () => {};
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
