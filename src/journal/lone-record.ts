import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, TasktrailError } from '../errors.ts';
import { DEFAULT_FSYNC, type FsyncMode } from '../model/fsync-mode.ts';
import type { JournalLimit } from '../model/journal-full.ts';
import { redactJson } from '../redact/redact.ts';
import { makeNamedDirectorySync } from '../system/files/make-directory.ts';
import { syncDirectorySync } from '../system/files/sync-directory.ts';
import { ownIdentity } from '../system/process-identity.ts';
import { releaseSegments } from './appender.ts';
import { boundOf } from './journal-limit.ts';
import type { OtlpLogRecord, TelemetrySource } from './line.ts';
import { formatSegmentName } from './segment-name.ts';
import { type OpenSegment, SegmentWriter } from './segment-writer.ts';

export interface LoneRecordTarget {
  readonly logDir: string;
  /** Keys of the destinations of the record. */
  readonly destinations: readonly string[];
  readonly source: TelemetrySource;
  /** Keeps the segment as this process's own until `releaseSegment`, so that no other process sends it. */
  readonly isKept?: boolean;
  /** Default `interval`. */
  readonly fsync?: FsyncMode;
  /** Bound of the journal's directory: at it the record is refused. Default: none. */
  readonly limit?: JournalLimit | undefined;
}

const FULL = 'the records that wait have reached TASK_LOGS_JOURNAL_MAX';

/** The journal's directory below a log directory. */
export function journalDir(logDir: string): string {
  return join(logDir, '_journal');
}

/**
 * Writes a record into a closed segment of its own, which the next sender claims, and returns the segment's id. For a
 * program that exits right after the call and needs the outcome: the record is on the disk then, except with `never`.
 * Throws `ERR_DIRECTORY_UNUSABLE` when that fails, and leaves no file then.
 */
export function writeLoneRecord(target: LoneRecordTarget, record: OtlpLogRecord): string {
  let refusal: string | undefined;
  let segment: OpenSegment | undefined;
  const { fsync = DEFAULT_FSYNC } = target;
  const writer = new SegmentWriter({
    directory: journalDir(target.logDir),
    destinations: target.destinations,
    fsync,
    ...boundOf(journalDir(target.logDir), target.limit),
    onAppend: () => {},
    onFull: (full) => {
      segment = full;
    },
    onDropped: (reason) => {
      refusal ??= reason === 'journal_full' ? FULL : reason;
    },
    onState: (reason) => {
      // A dropped record is the reason that its user gets, although the write of the others succeeded.
      refusal = reason ?? (refusal === FULL ? FULL : undefined);
    },
    onSyncState: (reason) => {
      refusal ??= reason && `cannot sync the journal: ${reason}`;
    },
  });
  try {
    const made = makeNamedDirectorySync(target.logDir);
    if (fsync !== 'never') for (const level of made) syncDirectorySync(dirname(level));
  } catch (error) {
    throw refused(`cannot write to ${target.logDir}: ${messageOf(error)}`);
  }
  // Not `logEntry`, which drops the trace id of a record that has no span id.
  writer.append(target.source, { kind: 'L', json: redactJson(JSON.stringify(record)) });
  writer.close();
  writer.syncNow();
  if (refusal !== undefined) {
    if (segment !== undefined) rmSync(segment.path, { force: true });
    throw refused(refusal);
  }
  if (segment === undefined) throw refused('the record was not written');
  if (target.isKept !== true) releaseSegment(target.logDir, segment.id);
  return segment.id;
}

/** Leaves a kept segment to the next sender. */
export function releaseSegment(logDir: string, id: string): void {
  const directory = journalDir(logDir);
  const path = join(directory, formatSegmentName({ id, owner: ownIdentity(), state: 'open' }));
  releaseSegments(directory, [{ id, path }]);
}

function refused(reason: string): TasktrailError {
  return new TasktrailError('ERR_DIRECTORY_UNUSABLE', `TASK_LOGS_DIR: ${reason}`);
}
