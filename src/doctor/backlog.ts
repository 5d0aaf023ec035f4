import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../errors.ts';
import { journalDir } from '../journal/lone-record.ts';
import { parseSegmentName } from '../journal/segment-name.ts';
import { SegmentReader } from '../journal/segment-reader.ts';
import { sizeText } from '../model/size-text.ts';
import { findHolder } from '../store/lock.ts';
import { isUnreadable } from '../system/files/optional-files.ts';
import { isNoFile } from '../system/files/safe-open.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';

/** Milliseconds since the last write. A segment in use is written continuously, so an older one is not being sent. */
const OLD_MS = 3_600_000;

/** Half an hour of agents that print a lot. With reachable destinations a few kilobytes are pending. */
const LARGE_BYTES = 256 * 1_048_576;

interface Backlog {
  readonly segments: number;
  readonly bytes: number;
  readonly oldestMs: number;
  /** Names of the segments that this user cannot read. */
  readonly unreadable: readonly string[];
  /** Why others are no segments that this version can read. */
  readonly foreign: readonly string[];
}

/** The pending records in the journal, and whether a process is there to send them. */
export async function checkBacklog({ config }: Subject): Promise<readonly Finding[]> {
  if (!config.enabled) return [];
  const path = journalDir(config.logDir);
  const { segments, bytes, oldestMs, unreadable, foreign } = await readBacklog(path);
  const [bad] = unreadable;
  if (bad !== undefined) {
    const more = unreadable.length > 1 ? ` and ${unreadable.length - 1} more` : '';
    const advice = `chown it to the service's user, or chmod u+r: it is sent then; all others are sent before`;
    return [problem(path, `this user cannot read ${bad}${more}: set aside`, advice)];
  }
  const [other] = foreign;
  if (other !== undefined) {
    const more = foreign.length > 1 ? `; and ${foreign.length - 1} more` : '';
    const advice = 'start the version that wrote it, or move it away; all others are sent';
    return [problem(path, `${other}: set aside${more}`, advice)];
  }
  if (segments === 0) return [ok(path, 'no records are pending')];
  const ageMs = Date.now() - oldestMs;
  const what = `${segments} segment(s) pending, ${sizeText(bytes)}, last write to the oldest ${ageText(ageMs)} ago`;
  const isHeld = (await findHolder(config.logDir)) !== undefined;
  if (config.store && !isHeld) {
    const advice = 'tasktrail send stores them, and sends them to OTEL_EXPORTER_OTLP_ENDPOINT';
    return [warning(path, `${what}; no process holds the directory`, advice)];
  }
  if (ageMs > OLD_MS || bytes > LARGE_BYTES) {
    const advice = 'a destination is not reachable: see endpoint below, and /readyz of the service';
    return [warning(path, `${what}: they are not being sent`, advice)];
  }
  return [ok(path, what)];
}

async function readBacklog(path: string): Promise<Backlog> {
  let segments = 0;
  let bytes = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  const unreadable: string[] = [];
  const foreign: string[] = [];
  for (const name of await namesIn(path)) {
    if (parseSegmentName(name) === undefined) continue;
    try {
      const { size, mtimeMs } = await lstat(join(path, name));
      await SegmentReader.check(join(path, name));
      segments += 1;
      bytes += size;
      oldestMs = Math.min(oldestMs, mtimeMs);
    } catch (error) {
      // It was claimed, or sent and removed, after it was listed.
      if (isNoFile(error)) foreign.push(messageOf(error));
      else if (isUnreadable(error)) unreadable.push(name);
      else if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return { segments, bytes, oldestMs, unreadable, foreign };
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

function ageText(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2 * 1_440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} days`;
}
