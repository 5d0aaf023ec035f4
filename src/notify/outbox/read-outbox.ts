import { basename, join } from 'node:path';
import { parseObject } from '../../model/json.ts';
import { namesIn, openIfPresent } from '../../system/files/optional-files.ts';
import { readLines } from '../../system/lines.ts';
import { readOutboxLine } from './outbox-line.ts';
import { OutboxState } from './outbox-state.ts';

/** Below the log directory: a JSONL file for each receiver. */
export const NOTIFY_FOLDER = '_notify';

const SUFFIX = '.jsonl';

/** Longer than any line: a payload is bounded. */
const LINE_BYTES_MAX = 262_144;

/** Of one file, enough to see what happened. */
const BAD_LINES_MAX = 100;

export interface BadLine {
  /** From 1. */
  readonly line: number;
  readonly isTorn: boolean;
}

export interface ReadOutbox {
  readonly state: OutboxState;
  readonly bytes: number;
  /** Lines that are none of this program: torn or damaged. The first ones. */
  readonly badLines: readonly BadLine[];
}

export function notifyDir(logDir: string): string {
  return join(logDir, NOTIFY_FOLDER);
}

/** A receiver's name is checked by the configuration. */
export function outboxPath(logDir: string, receiver: string): string {
  return join(notifyDir(logDir), receiver + SUFFIX);
}

/** Names of all receivers that have a file, sorted. */
export async function outboxNames(logDir: string): Promise<readonly string[]> {
  const names = await namesIn(notifyDir(logDir));
  return names
    .filter((name) => name.endsWith(SUFFIX) && !name.startsWith('.'))
    .map((name) => basename(name, SUFFIX))
    .sort();
}

/** Undefined without a file. Throws when it cannot be read. */
export async function readOutbox(logDir: string, receiver: string): Promise<ReadOutbox | undefined> {
  const file = await openIfPresent(outboxPath(logDir, receiver), 'r');
  if (file === undefined) return undefined;
  const state = new OutboxState();
  let bytes = 0;
  const badLines: BadLine[] = [];
  let number = 0;
  try {
    for await (const lines of readLines(file, { bytesMax: LINE_BYTES_MAX })) {
      for (const line of lines) {
        bytes = line.end;
        number += 1;
        const read = readOutboxLine(parseObject(line.bytes?.toString('utf8')));
        if (read !== undefined && line.isTerminated) state.add(read);
        else if (badLines.length < BAD_LINES_MAX) badLines.push({ line: number, isTorn: !line.isTerminated });
      }
    }
  } finally {
    await file.close();
  }
  // Its first line is lost, and with it the body: the event is looked up again.
  for (const one of [...state.all])
    if (one.state === 'pending' && one.payload === undefined) state.forget(one.webhookId);
  return { state, bytes, badLines };
}
