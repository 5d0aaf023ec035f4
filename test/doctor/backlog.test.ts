import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkBacklog } from '../../src/doctor/backlog.ts';
import type { Subject } from '../../src/doctor/finding.ts';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { DirectoryLock } from '../../src/store/lock.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { linesOf, subjectOf } from './subject.ts';

async function look(subject: Subject): Promise<string> {
  return linesOf(await checkBacklog(subject));
}

const HEADER = 'H{"version":1,"destinations":["holder"]}\n';

/** A segment that was written to so long ago. */
function leave({ config }: Subject, id: string, ageMs: number, header: string = HEADER): void {
  const dir = join(config.logDir, '_journal');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, formatSegmentName({ id: id.repeat(26), owner: ownIdentity(), state: 'closed' }));
  writeFileSync(path, header.padEnd(1_024, 'x'));
  const then = new Date(Date.now() - ageMs);
  utimesSync(path, then, then);
}

test('without a journal, or with other files in it, no records are pending', async () => {
  const subject = subjectOf();
  expect(await look(subject)).toMatch(/^ok .*_journal: no records are pending/);
  mkdirSync(join(subject.config.logDir, '_journal'), { recursive: true });
  writeFileSync(join(subject.config.logDir, '_journal', 'notes.txt'), 'x');
  expect(await look(subject)).toMatch(/^ok .*no records are pending/);
});

test('pending segments are counted with the age of the oldest, and not changed', async () => {
  const subject = subjectOf();
  leave(subject, 'A', 60_000 * 5);
  leave(subject, 'B', 60_000 * 60 * 3);
  const names = readdirSync(join(subject.config.logDir, '_journal'));
  expect(await look(subject)).toMatch(
    /^warning .*2 segment\(s\) pending, 2\.0 KiB, last write to the oldest 3 h ago; no process holds.* -> tasktrail send/,
  );
  expect(readdirSync(join(subject.config.logDir, '_journal'))).toEqual(names);
});

test('a segment of a newer version is a problem with its version, and stays as it is', async () => {
  const subject = subjectOf();
  leave(subject, 'A', 0);
  leave(subject, 'B', 0, HEADER.replace('1', '2'));
  expect(await look(subject)).toMatch(
    /^problem .*B{26}~.*: it is of version 2: set aside -> start the version/,
  );
  expect(readdirSync(join(subject.config.logDir, '_journal'))).toHaveLength(2);
});

test('with a holder only old segments are a warning', async () => {
  const subject = subjectOf();
  const lock = await DirectoryLock.acquire(subject.config.logDir, () => {});
  onTestFinished(() => lock.release());
  leave(subject, 'A', 60_000);
  expect(await look(subject)).toMatch(
    /^ok .*1 segment\(s\) pending, 1\.0 KiB, last write to the oldest 1 min ago$/,
  );
  leave(subject, 'B', 2 * 3_600_000);
  expect(await look(subject)).toMatch(/^warning .*they are not being sent -> a destination is not reachable/);
});
