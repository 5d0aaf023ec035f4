import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Books } from '../../src/books.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { TelemetrySource } from '../../src/journal/line.ts';

export const SOURCE: TelemetrySource = {
  resource: { attributes: [{ key: 'service.name', value: { stringValue: 'test' } }] },
  scope: { name: 'test' },
};

export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-journal-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export interface Opened {
  readonly journal: Journal;
  readonly books: Books;
}

export function openJournal(directory: string, destinations: readonly string[] = ['holder']): Opened {
  const books = new Books();
  const journal = new Journal({ directory, destinations, books });
  onTestFinished(() => journal.close());
  return { journal, books };
}

export function record(journal: Journal, n: number | string, source: TelemetrySource = SOURCE): void {
  journal.append(source, { kind: 'L', json: JSON.stringify({ n }) });
}

export function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Takes and acknowledges all pending records of a destination. Returns their numbers. */
export async function takeAll(journal: Journal, destination = 'holder'): Promise<(number | string)[]> {
  const taken: (number | string)[] = [];
  for (;;) {
    const batch = await journal.next(destination);
    if (batch === undefined) return taken;
    for (const { json } of batch.entries) taken.push(JSON.parse(json).n);
    await journal.done(destination, batch);
  }
}

export async function segmentsIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => /\.(open|claimed|closed)$/.test(name)).sort();
}

export async function readSegments(directory: string): Promise<string> {
  const names = await segmentsIn(directory);
  return (await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))).join('');
}
