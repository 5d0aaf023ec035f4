import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { ReceivedLog, TelemetryBatch } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import type { FactLine } from '../../../src/project/change.ts';
import { TaskFold } from '../../../src/project/fold.ts';
import { builtUrl } from '../../support/built.ts';
import { lessInCi } from '../../support/less-in-ci.ts';
import { documentOf, filesIn, linesOf, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log, outputLog } from '../../support/records.ts';
import { killWriter } from './killed-writer.ts';

const KILLS = lessInCi(30, 10);
const ROUNDS = 40;
const TASKS = ['task-1', 'task-2'];

function batch(round: number): TelemetryBatch {
  const logs: ReceivedLog[] = [];
  for (const task of TASKS) {
    const attributes = { 'tasktrail.task.id': task };
    const id = eventId(1_000 + round);
    logs.push(
      log({
        event: 'tasktrail.task.metadata',
        id,
        atMs: round,
        body: { round, model: 'x'.repeat(5_000) },
        attributes,
      }),
      ...Array.from({ length: 20 }, (_, index) => outputLog(10_000 + round * 20 + index, `${round}\n`, task)),
    );
    if (round === ROUNDS - 1) {
      const body = { success: true, status: 'completed' };
      logs.push(log({ event: 'tasktrail.task.result', id: eventId(9_000), atMs: round, body, attributes }));
    }
  }
  return { logs, spans: [] };
}

/** Prints the number of each stored batch. */
const WRITER = (): string => `
  import { readFileSync, writeSync } from 'node:fs';
  import { Books } from '${builtUrl('books.ts')}';
  import { Store } from '${builtUrl('store/write/store.ts')}';
  const [logDir, path] = process.argv.slice(1);
  const batches = JSON.parse(readFileSync(path, 'utf8'));
  const store = new Store({ logDir, books: new Books(), onSpan() {}, log() {} });
  writeSync(1, 'ready\\n');
  for (const [round, batch] of batches.entries()) {
    await store.ingest(batch, { kind: 'trail' });
    writeSync(1, round + '\\n');
  }
`;

test('after a kill at any moment, acknowledged batches are stored, and a resend stores every record once', {
  timeout: 240_000,
}, async () => {
  const batches = Array.from({ length: ROUNDS }, (_, round) => batch(round));
  const input = join(await tempDir(), 'batches.json');
  writeFileSync(input, JSON.stringify(batches));
  let midway = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const dir = await tempDir();
    const acknowledged = await killWriter({
      script: WRITER(),
      args: [dir, input],
      afterBatches: (kill % 10) * 3,
    });
    if (acknowledged > 0 && acknowledged < ROUNDS) midway += 1;
    const { store } = openStore(dir);
    await store.recover();
    for (const task of readdirSync(dir)) {
      const stored = linesOrNone(dir, task, '03-agent-output.jsonl').length;
      expect(stored).toBeGreaterThanOrEqual(acknowledged * 20);
      expectDocumentsOfFacts(dir, task);
    }
    // The sender knows the acknowledged batches; it sends all of them again, and the rest.
    for (const again of batches) await store.ingest(again, TRAIL);
    expect(readdirSync(dir)).toEqual(TASKS);
    for (const task of TASKS) {
      const ids = linesOf(dir, task, '03-agent-output.jsonl').map((line) => line.event_id);
      expect([ids.length, new Set(ids).size]).toEqual([ROUNDS * 20, ROUNDS * 20]);
      expect(linesOf(dir, task, 'facts.jsonl')).toHaveLength(ROUNDS + 1);
      expectDocumentsOfFacts(dir, task);
      expect(documentOf(dir, task, 'metadata.json')).toMatchObject({
        status: 'completed',
        round: ROUNDS - 1,
      });
    }
    expect(Object.keys(filesIn(dir)).filter((name) => name.includes('.tmp'))).toEqual([]);
  }
  // Otherwise no kill interrupted the work.
  expect(midway).toBeGreaterThan(KILLS / 3);
});

function expectDocumentsOfFacts(dir: string, task: string): void {
  const fold = new TaskFold(task);
  for (const line of linesOrNone(dir, task, 'facts.jsonl')) fold.add(line as unknown as FactLine);
  const names = readdirSync(join(dir, task));
  // Killed before the first line was complete: recovery has cut the torn line.
  if (names.every((name) => statSync(join(dir, task, name)).size === 0)) return;
  const metadata = documentOf(dir, task, 'metadata.json');
  expect(metadata).toEqual(fold.metadata(String(metadata.created_at)));
  expect(names.includes('04-final-result.json')).toBe(fold.isTerminal);
  expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
}

function linesOrNone(...path: readonly string[]): JsonObject[] {
  return existsSync(join(...path)) ? linesOf(...path) : [];
}
