import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatSegmentName } from '../../../src/journal/segment-name.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { Backlog } from '../../../src/trail/thread/backlog.ts';

const ID = '01ARZ3NDEKTSV4RRFFQ69G5FA0';
const MEGABYTE = 'x'.repeat(1_000_000);

interface Waiting {
  readonly megabytes: number;
  readonly header?: string;
}

function leave(
  directory: string,
  { megabytes, header = '"version":1,"destinations":["holder"]' }: Waiting,
): void {
  const name = formatSegmentName({ id: ID, owner: ownIdentity(), state: 'open' });
  writeFileSync(join(directory, name), `H{${header}}\n${`L{"n":"${MEGABYTE}"}\n`.repeat(megabytes)}`);
}

function directoryOf(waiting?: Waiting): string {
  const directory = mkdtempSync(join(tmpdir(), 'tasktrail-backlog-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  if (waiting !== undefined) leave(directory, waiting);
  return directory;
}

test.each<readonly [string, Waiting | undefined, boolean]>([
  ['nothing', undefined, false],
  ['what a busy process has not sent yet', { megabytes: 3 }, false],
  ['more than that', { megabytes: 5 }, true],
  [
    'records for a collector only',
    { megabytes: 5, header: '"version":1,"destinations":["http://c/"]' },
    false,
  ],
  ['records of a newer version', { megabytes: 5, header: '"version":2,"destinations":["holder"]' }, false],
])('%s: whether tasks wait for it', async (_, waiting, isMoving) => {
  expect(await new Backlog(directoryOf(waiting)).isMoving()).toBe(isMoving);
});

test('a backlog counts while it moves, and is over once it is sent', async () => {
  const directory = directoryOf({ megabytes: 8 });
  let nowMs = 1_000_000;
  const backlog = new Backlog(directory, () => nowMs);
  const send = (holder: number): void =>
    writeFileSync(join(directory, `${ID}.cursors`), JSON.stringify({ holder }));
  expect(await backlog.isMoving()).toBe(true);
  nowMs += 59_000;
  expect(await backlog.isMoving()).toBe(true);
  send(1_000_000);
  nowMs += 59_000;
  expect(await backlog.isMoving()).toBe(true);
  nowMs += 61_000;
  expect(await backlog.isMoving()).toBe(false);
  send(2_000_000);
  expect(await backlog.isMoving()).toBe(true);
  send(7_000_000);
  expect(await backlog.isMoving()).toBe(false);
});

test('a directory that is missing is no backlog', async () => {
  expect(await new Backlog('/nowhere/at/all').isMoving()).toBe(false);
});
