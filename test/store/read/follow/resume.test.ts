import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StreamEvent } from '../../../../src/model/event-stream.ts';
import { compressTask, restoreTask } from '../../../../src/store/compress.ts';
import { createReader } from '../../../../src/store/read/reader.ts';
import { LineFile, type LineKey } from '../../../../src/store/write/lines/line-file.ts';
import { fc } from '../../../support/fast-check.ts';
import { tempDir } from '../../../support/log-dir.ts';

type Op =
  | { readonly kind: 'append'; readonly times: readonly number[] }
  | { readonly kind: 'settle' }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'compress' }
  | { readonly kind: 'read'; readonly count: number; readonly isRestarted: boolean };

const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    times: fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ kind: fc.constant('settle' as const) }),
  fc.record({ kind: fc.constant('remove' as const), which: fc.nat(50) }),
  fc.record({ kind: fc.constant('compress' as const) }),
  fc.record({ kind: fc.constant('read' as const), count: fc.nat(5), isRestarted: fc.boolean() }),
);

function keyOf(line: unknown): LineKey | undefined {
  const { event_id: id, timestamp } = line as { event_id: string; timestamp: string };
  return { id, timestamp };
}

/** A task that is written, put in order and compressed, and a reader that comes and goes. */
class Story {
  readonly got: string[] = [];
  readonly names: string[] = [];
  readonly removed = new Set<string>();
  readonly written: string[] = [];
  readonly #logDir: string;
  readonly #dir: string;
  readonly #path: string;
  #file: LineFile | undefined;
  #reader: ReturnType<typeof createReader>;
  #lastId: string | undefined;

  constructor(logDir: string) {
    this.#logDir = logDir;
    this.#dir = join(logDir, 'task-1');
    this.#path = join(this.#dir, '03-agent-output.jsonl');
    this.#reader = createReader(logDir);
    mkdirSync(this.#dir);
    writeFileSync(join(this.#dir, 'metadata.json'), '{"status":"running"}\n');
  }

  get missing(): readonly string[] {
    return this.written.filter((id) => !this.got.includes(id) && !this.removed.has(id));
  }

  async run(step: Op): Promise<void> {
    if (step.kind === 'append') await this.#append(step.times);
    else if (step.kind === 'settle') await (await this.#open()).settle();
    else if (step.kind === 'remove') await this.#remove(step.which);
    else if (step.kind === 'compress') {
      await (await this.#open()).settle();
      await compressTask(this.#dir);
      this.#file = undefined;
    } else await this.read(step.count, step.isRestarted);
  }

  /** Takes at most this many lines, by a new connection. */
  async read(count: number, isRestarted: boolean): Promise<void> {
    if (isRestarted) this.#reader = createReader(this.#logDir);
    const stream = await this.#reader.followTask('task-1', this.#lastId);
    if (stream === undefined) throw new Error('no task');
    const ended = new AbortController();
    try {
      await stream.start();
      for (let left = count; left > 0; ) {
        // What is there comes at once; the rest does not come.
        const events = await Promise.race([stream.next(ended.signal), quiet()]);
        if (events === undefined) return;
        for (const event of events) {
          if (left === 0) return;
          this.#take(event);
          if (event.event === 'line') left -= 1;
        }
      }
    } finally {
      ended.abort();
      await stream.close();
    }
  }

  #take({ event, data, id }: StreamEvent): void {
    this.names.push(event);
    if (event === 'line') this.got.push((JSON.parse(data) as { event_id: string }).event_id);
    this.#lastId = id ?? this.#lastId;
  }

  async #open(): Promise<LineFile> {
    if (this.#file === undefined) {
      await restoreTask(this.#dir, readdirSync(this.#dir));
      this.#file = await LineFile.open(this.#path, keyOf, { isFollowed: true });
    }
    return this.#file;
  }

  async #append(times: readonly number[]): Promise<void> {
    const lines = times.map((time) => {
      const id = `id-${this.written.length}`;
      this.written.push(id);
      const timestamp = String(time).padStart(3, '0');
      return { id, timestamp, text: JSON.stringify({ timestamp, event_id: id }) };
    });
    await (await this.#open()).append(lines);
  }

  async #remove(which: number): Promise<void> {
    const id = this.written[which];
    const file = await this.#open();
    if (id === undefined || !file.has(id)) return;
    file.supersede(id);
    this.removed.add(id);
  }
}

/** For the last lines; a line that is lost does not come later. */
const WAIT_MS = 3_000;

/** Longer than a step of a stream takes to find nothing; a slow machine makes the test weaker and not wrong. */
async function quiet(): Promise<undefined> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 5));
  return undefined;
}

test('whatever happens to a file between two connections, its reader gets each line once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 4, maxLength: 14 }), async (steps) => {
      const story = new Story(await tempDir());
      for (const step of steps) await story.run(step);
      const endMs = Date.now() + WAIT_MS;
      // A stream of a slow machine may be quiet before it brings a line.
      for (
        let before = -1;
        before !== story.got.length || (story.missing.length > 0 && Date.now() < endMs);
      ) {
        before = story.got.length;
        await story.read(1_000, true);
      }
      expect(story.names).not.toContain('reset');
      expect(new Set(story.got).size).toBe(story.got.length);
      expect(story.missing).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
