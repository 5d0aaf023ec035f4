import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Books } from '../../src/books.ts';
import type { JsonObject } from '../../src/model/json.ts';
import type { OtlpSpan, ReceivedLog, ReceivedSpan } from '../../src/model/otlp.ts';
import { type Sender, TRAIL } from '../../src/model/sender.ts';
import type { TaskFlow } from '../../src/model/task-reading.ts';
import { createReader } from '../../src/store/read/reader.ts';
import { type Ingested, Store, type StoreOptions } from '../../src/store/write/store.ts';
import { afterTest } from './current-test.ts';

/** A new directory, removed after the test. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-store-'));
  afterTest(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A store with a fake clock, and its output. */
export interface TestStore {
  readonly dir: string;
  readonly store: Store;
  readonly books: Books;
  readonly spans: OtlpSpan[];
  readonly logged: string[];
  /** The fake time, in milliseconds since the epoch. */
  now(): number;
  /** Advances the clock and runs the tasks that are due. */
  pass(ms: number): Promise<void>;
  logs(...logs: readonly ReceivedLog[]): Promise<Ingested>;
  sendSpans(...spans: readonly ReceivedSpan[]): Promise<Ingested>;
  /** Stores what this sender sends. */
  from(sender: Sender, ...logs: readonly ReceivedLog[]): Promise<Ingested>;
  spansFrom(sender: Sender, ...spans: readonly ReceivedSpan[]): Promise<Ingested>;
}

type IsPruned = (kind: 'task' | 'workflow', id: string) => boolean;

export function openStore(
  dir: string,
  options: Partial<Pick<StoreOptions, 'isHeld' | 'isPruned' | 'probeNames' | 'workflowDir'>> = {},
): TestStore {
  const books = new Books();
  const spans: OtlpSpan[] = [];
  const logged: string[] = [];
  let now = Date.parse('2026-01-02T04:00:00Z');
  const store = new Store({
    logDir: dir,
    books,
    ...options,
    now: () => now,
    onSpan: (span) => spans.push(span),
    log: (line) => logged.push(line),
  });
  return {
    dir,
    store,
    books,
    spans,
    logged,
    now: () => now,
    pass: async (ms) => {
      now += ms;
      await store.tick();
    },
    logs: (...logs) => store.ingest({ logs, spans: [] }, TRAIL),
    sendSpans: (...list) => store.ingest({ logs: [], spans: list }, TRAIL),
    from: (sender, ...logs) => store.ingest({ logs, spans: [] }, sender),
    spansFrom: (sender, ...list) => store.ingest({ logs: [], spans: list }, sender),
  };
}

export async function newStore(isPruned?: IsPruned): Promise<TestStore> {
  return openStore(await tempDir(), isPruned === undefined ? {} : { isPruned });
}

/** Made for readers: the index of a file, and the order in which its lines came. */
const FOR_READERS = /\.jsonl\.(?:offsets|moves)$/;

/** The contents of all files below a directory, by relative path. */
export function filesIn(dir: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(dir, name);
    if (!FOR_READERS.test(name) && statSync(path).isFile())
      out[relative(dir, path)] = readFileSync(path, 'utf8');
  }
  return out;
}

export function linesOf(...path: readonly string[]): JsonObject[] {
  return readFileSync(join(...path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject);
}

/** The lines of 02 or 03 as a reader sees them: each record once. */
export async function flowOf(dir: string, taskId: string, flow: TaskFlow): Promise<JsonObject[]> {
  const opened = await createReader(dir).openFlow(taskId, flow);
  const lines: JsonObject[] = [];
  for await (const line of opened?.lines() ?? []) lines.push(JSON.parse(line) as JsonObject);
  await opened?.close();
  return lines;
}

export function documentOf(...path: readonly string[]): JsonObject {
  return JSON.parse(readFileSync(join(...path), 'utf8')) as JsonObject;
}
