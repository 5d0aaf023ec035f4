import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TasktrailError } from '../errors.ts';
import { redactJson } from '../redact/redact.ts';
import { makeDirectorySync } from '../system/make-directory.ts';
import { ownIdentity } from '../system/process-identity.ts';
import type { OtlpLogRecord, TelemetrySource } from './line.ts';
import { formatSegmentName } from './segment-name.ts';
import { type OpenSegment, SegmentWriter } from './segment-writer.ts';

export interface JournalPlace {
  readonly logDir: string;
  /** Keys of the destinations that must get the record. */
  readonly destinations: readonly string[];
  readonly source: TelemetrySource;
}

/** Where the journal of a log directory is. */
export function journalDir(logDir: string): string {
  return join(logDir, '_journal');
}

/**
 * Puts records into a segment of their own, closed at once, for whoever claims it first. For a program that ends right
 * afterwards and must know: throws `ERR_DIRECTORY_UNUSABLE` when the disk refuses, and leaves nothing then.
 */
export function writeLoneRecord(place: JournalPlace, record: OtlpLogRecord): void {
  let refusal: string | undefined;
  let segment: OpenSegment | undefined;
  const writer = new SegmentWriter({
    directory: journalDir(place.logDir),
    destinations: place.destinations,
    onAppend: () => {},
    onFull: (full) => {
      segment = full;
    },
    onDropped: (reason) => {
      refusal ??= reason;
    },
    onState: (reason) => {
      refusal = reason;
    },
  });
  try {
    // The log directory by the umask, like the start makes it; the journal below it is private.
    makeDirectorySync(place.logDir);
  } catch (error) {
    throw refused(`cannot write to ${place.logDir}: ${messageOf(error)}`);
  }
  // Not as `logEntry` writes it: a record that names its trace and no span is for others a record with neither.
  writer.append(place.source, { kind: 'L', json: redactJson(JSON.stringify(record)) });
  writer.close();
  if (refusal !== undefined) {
    if (segment !== undefined) rmSync(segment.path, { force: true });
    throw refused(refusal);
  }
  if (segment !== undefined) release(place.logDir, segment);
}

function release(logDir: string, { id, path }: OpenSegment): void {
  const closed = formatSegmentName({ id, owner: ownIdentity(), state: 'closed' });
  try {
    renameSync(path, join(journalDir(logDir), closed));
  } catch {
    // Claimed or refused: the record is written, and the name is that of a process which ends now.
  }
}

function refused(reason: string): TasktrailError {
  return new TasktrailError('ERR_DIRECTORY_UNUSABLE', `TASK_LOGS_DIR: ${reason}`);
}
