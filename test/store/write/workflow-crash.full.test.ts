import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { ReceivedLog, TelemetryBatch } from '../../../src/model/otlp.ts';
import { TRAIL } from '../../../src/model/sender.ts';
import { builtUrl } from '../../support/built.ts';
import { lessInCi } from '../../support/less-in-ci.ts';
import { documentOf, linesOf, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';
import { killWriter } from './killed-writer.ts';

const KILLS = lessInCi(25, 10);
const STEPS = 60;
const IDS = ['workflow-1-20260102T030405Z-aaaa', 'workflow-2-20260102T030405Z-bbbb'];
const MONTH = ['_workflow', '2026', '01'];
const FEED = ['_workflow', '_feed'];
/** Events of one workflow: its start and end, and those of each step. */
const EVENTS = 2 + 2 * STEPS;

function event(workflow: string, number: number, type: string, body: JsonObject = {}): ReceivedLog {
  return log({
    event: `tasktrail.${type}`,
    id: eventId(IDS.indexOf(workflow) * 1_000 + number),
    atMs: number,
    body,
    attributes: { 'tasktrail.workflow.id': workflow, 'tasktrail.span.derive': true },
  });
}

/** One batch for each step, with events of both workflows and a repeat of the previous step. */
function batches(): TelemetryBatch[] {
  const made: TelemetryBatch[] = [];
  for (let index = 0; index <= STEPS + 1; index += 1) {
    const logs: ReceivedLog[] = [];
    for (const id of IDS) {
      if (index === 0) logs.push(event(id, 0, 'workflow_start'));
      else if (index > STEPS) logs.push(event(id, 900, 'workflow_complete', { status: 'success' }));
      else {
        const place = { phase: 'build', step: { name: `s${index}` } };
        logs.push(event(id, index * 5, 'step_start', place));
        logs.push(event(id, index * 5 + 1, 'step_start', place));
        logs.push(
          event(id, index * 5 + 2, 'step_complete', {
            ...place,
            step: { name: `s${index}`, status: 'success' },
          }),
        );
      }
    }
    made.push({ logs, spans: [] });
  }
  return made;
}

const WRITER = (): string => `
  import { readFileSync, writeSync } from 'node:fs';
  import { Books } from '${builtUrl('books.ts')}';
  import { Store } from '${builtUrl('store/write/store.ts')}';
  const [logDir, path] = process.argv.slice(1);
  const batches = JSON.parse(readFileSync(path, 'utf8'));
  const store = new Store({ logDir, books: new Books(), onSpan() {}, log() {}, now: () => Date.parse('2026-01-02T04:00:00Z') });
  writeSync(1, 'ready\\n');
  for (const [round, batch] of batches.entries()) {
    await store.ingest(batch, { kind: 'trail' });
    writeSync(1, round + '\\n');
  }
`;

test('after a kill at any moment and a resend, file, feed and document have each event once', {
  timeout: 240_000,
}, async () => {
  const all = batches();
  const input = join(await tempDir(), 'batches.json');
  writeFileSync(input, JSON.stringify(all));
  let midway = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const dir = await tempDir();
    const acknowledged = await killWriter({
      script: WRITER(),
      args: [dir, input],
      afterBatches: (kill % 10) * 5,
    });
    if (acknowledged > 0 && acknowledged < all.length) midway += 1;
    const { store, pass } = openStore(dir);
    await store.recover();
    for (const id of IDS) {
      const path = [dir, ...MONTH, `${id}.jsonl`] as const;
      // The start of the workflow, and start and end of each step.
      const expected = acknowledged === 0 ? 0 : Math.min(1 + 2 * (acknowledged - 1), EVENTS);
      expect(existsSync(join(...path)) ? linesOf(...path).length : 0).toBeGreaterThanOrEqual(expected);
    }
    for (const batch of all) await store.ingest(batch, TRAIL);
    await pass(2_000);
    for (const id of IDS) {
      const lines = linesOf(dir, ...MONTH, `${id}.jsonl`);
      expect(lines).toHaveLength(EVENTS);
      expect(new Set(lines.map((line) => line.event_id)).size).toBe(EVENTS);
      expect(documentOf(dir, ...MONTH, `${id}.json`)).toMatchObject({
        events: lines,
        measured: { steps: STEPS },
      });
    }
    const feed = readdirSync(join(dir, ...FEED)).flatMap((name) => linesOf(dir, ...FEED, name));
    expect(new Set(feed.map((line) => line.event_id)).size).toBe(2 * EVENTS);
    expect(feed).toHaveLength(2 * EVENTS);
  }
  // Otherwise no kill interrupted the work.
  expect(midway).toBeGreaterThan(KILLS / 3);
});
