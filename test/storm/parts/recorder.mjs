// Records tasks with the library until it is killed, and writes what its calls acknowledged to its ledger, one tick later.
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay, setImmediate as tick } from 'node:timers/promises';
import { startTask, startTasktrail } from '../../../dist/index.js';

const [name = '', ledgerPath = '', hold = 'may'] = process.argv.slice(2);
const ledger = openSync(ledgerPath, 'a');
let number = 0;
let isEnding = false;

function token() {
  number += 1;
  return `fact.${name}.${number}.`;
}

/** With `always` a record is durable when it is synced. */
const isAlways = process.env.TASK_LOGS_FSYNC === 'always';

async function acknowledge(...facts) {
  await (isAlways ? trail.synced() : tick());
  const stamp = { by: name, at: Date.now() };
  writeSync(ledger, facts.map((fact) => `${JSON.stringify({ ...fact, ...stamp })}\n`).join(''));
  fdatasyncSync(ledger);
}

async function recordOne() {
  const input = token();
  const task = startTask({ source: 'storm', message: input });
  await acknowledge({ kind: 'input', task: task.id, token: input });
  if (Math.random() < 0.5) await recordWorkflow(task);
  for (let burst = 0; burst < 6 && !isEnding; burst += 1) {
    const tokens = Array.from({ length: 1 + Math.floor(Math.random() * 5) }, token);
    for (const one of tokens) task.output(`${one}\n`);
    await acknowledge(...tokens.map((one) => ({ kind: 'output', task: task.id, token: one })));
    await delay(Math.random() * 30);
  }
  const last = token();
  const isFailed = Math.random() < 0.2;
  if (isFailed) task.fail(new Error(last));
  else task.end({ result: last });
  const status = isFailed ? 'failed' : 'completed';
  await acknowledge({ kind: 'result', task: task.id, token: last, status });
}

async function recordWorkflow(task) {
  const workflow = task.startWorkflow('storm', { phases: ['one'] });
  const phase = workflow.startPhase('one', { steps: ['write'] });
  const step = phase.startStep('write', {});
  const path = token();
  step.artifact({ type: 'file', path });
  await acknowledge({ kind: 'event', workflow: workflow.id, token: path, type: 'artifact_create' });
  step.end();
  phase.end();
  workflow.end();
}

const trail = await startTasktrail({ hold, log: () => {} });
process.stdout.write('recorder is ready\n');
process.on('SIGTERM', () => {
  isEnding = true;
});
while (!isEnding) await recordOne();
// Every second one ends like a script that forgets the shutdown.
if (Math.random() < 0.5) await trail.shutdown();
process.exit(0);
