import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { createBodies } from './otlp-bodies.mjs';

// The baseline for a receiver: parse a body, write each record as a line, append the lines of a task together. No HTTP, no
// checks, no deduplication, no ordering.
const dir = process.env.TASK_LOGS_DIR ?? '';
await mkdir(dir, { recursive: true });

async function store(body) {
  const lines = new Map();
  for (const { scopeLogs } of JSON.parse(body.toString('utf8')).resourceLogs) {
    for (const { logRecords } of scopeLogs) {
      for (const record of logRecords) {
        const task = record.attributes[1].value.stringValue;
        const list = lines.get(task);
        if (list === undefined) lines.set(task, [JSON.stringify(record)]);
        else list.push(JSON.stringify(record));
      }
    }
  }
  await Promise.all(
    [...lines].map(([task, texts]) => appendFile(join(dir, `${task}.jsonl`), `${texts.join('\n')}\n`)),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  const { round, count } = JSON.parse(line);
  const bodies = createBodies(round, count, 'json');
  const start = performance.now();
  for (const body of bodies) await store(body);
  process.stdout.write(`${JSON.stringify({ ms: performance.now() - start })}\n`);
}
