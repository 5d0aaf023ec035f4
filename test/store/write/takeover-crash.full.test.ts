import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceivedLog } from '../../../src/model/otlp.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../../../src/model/sender.ts';
import { builtUrl } from '../../support/built.ts';
import { lessInCi } from '../../support/less-in-ci.ts';
import { documentOf, flowOf, linesOf, openStore, tempDir } from '../../support/log-dir.ts';
import { eventId, log } from '../../support/records.ts';
import { killWriter } from './killed-writer.ts';

const KILLS = lessInCi(12, 10);
/** Batches between two kills: no multiple of the four of a task, so that each of these is the last one in turn. */
const STEP = 9;
const TASKS = 30;

/** The records of a task: its opening, a line, its end. */
function recordsOf(task: string, text: string): ReceivedLog[] {
  const attributes = { 'tasktrail.task.id': task };
  return [
    log({
      event: 'tasktrail.task.metadata',
      id: eventId(1),
      body: { status: 'running', source: text },
      attributes,
    }),
    log({ event: 'tasktrail.agent.output', id: eventId(2), atMs: 1, body: `${text}\n`, attributes }),
    log({
      event: 'tasktrail.task.result',
      id: eventId(text === 'own' ? 3 : text === 'late' ? 5 : 4),
      atMs: 2,
      body: text === 'own' ? { status: 'completed', success: true } : { status: 'failed', error: 'forged' },
      attributes,
    }),
  ];
}

/** Stores for each task what came without a token, and then what the trail sends. */
const WRITER = (): string => `
  import { readFileSync, writeSync } from 'node:fs';
  import { Books } from '${builtUrl('books.ts')}';
  import { Store } from '${builtUrl('store/write/store.ts')}';
  const [logDir, path] = process.argv.slice(1);
  const batches = JSON.parse(readFileSync(path, 'utf8'));
  const store = new Store({ logDir, books: new Books(), onSpan() {}, log() {} });
  writeSync(1, 'ready\\n');
  for (const [round, { logs, sender }] of batches.entries()) {
    await store.ingest({ logs, spans: [] }, sender);
    writeSync(1, round + '\\n');
  }
`;

test('a kill between what came without a token and the records of the trail loses and keeps the right ones', {
  timeout: 240_000,
}, async () => {
  const ids = Array.from({ length: TASKS }, (_, index) => `task-${index}`);
  const batches: { readonly logs: ReceivedLog[]; readonly sender: Sender }[] = ids.flatMap((id) => [
    { logs: recordsOf(id, 'forged'), sender: ANONYMOUS },
    ...recordsOf(id, 'own').map((record) => ({ logs: [record], sender: TRAIL })),
  ]);
  const input = join(await tempDir(), 'batches.json');
  writeFileSync(input, JSON.stringify(batches));
  let midway = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const dir = await tempDir();
    const script = WRITER();
    const done = await killWriter({
      script,
      args: [dir, input],
      afterBatches: (kill * STEP) % batches.length,
    });
    if (done > 0 && done < batches.length) midway += 1;
    const { store, from, pass } = openStore(dir);
    await store.recover();
    for (const { logs, sender } of batches)
      if (sender.kind === 'trail') await store.ingest({ logs, spans: [] }, sender);
    for (const id of ids) {
      expect(documentOf(dir, id, 'metadata.json')).toMatchObject({ status: 'completed', source: 'own' });
      expect(documentOf(dir, id, 'metadata.json').opened_by).toBeUndefined();
      expect(documentOf(dir, id, '04-final-result.json')).toMatchObject({ status: 'completed', error: null });
      expect(await flowOf(dir, id, 'agent-output')).toMatchObject([{ content: 'own\n' }]);
      const own = linesOf(dir, id, 'facts.jsonl').filter(({ sender }) => sender === undefined);
      expect(own.map(({ event_id: eventIdOf }) => eventIdOf)).toEqual([eventId(1), eventId(3)]);
    }
    expect((await from(ANONYMOUS, ...recordsOf('task-0', 'late'))).rejected).toBeGreaterThan(0);
    // The forged copies go when the lines settle.
    await pass(60_000);
    for (const id of ids) expect(linesOf(dir, id, '03-agent-output.jsonl')).toHaveLength(1);
  }
  // Otherwise no kill interrupted the work.
  expect(midway).toBeGreaterThan(KILLS / 3);
});
