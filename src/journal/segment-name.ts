import { lstat } from 'node:fs/promises';
import { isProcessAlive, isSameProcess, type ProcessIdentity } from '../system/process-identity.ts';
import { idOfCursorFile } from './cursor-files.ts';

/** A segment of another host that was not touched for this long belongs to a dead process. */
const FOREIGN_STALE_MS = 60_000;

/**
 * `<ulid>~<host>~<pid>~<start>.<state>`. `open`: the owner appends and sends. `claimed`: the owner sends a segment
 * that another process wrote. `closed`: no owner; the name keeps the writer. A claim is a rename, so exactly one
 * process succeeds.
 */
export type SegmentState = 'open' | 'claimed' | 'closed';

export interface SegmentName {
  readonly id: string;
  readonly owner: ProcessIdentity;
  readonly state: SegmentState;
}

const NAME = /^([0-9A-Z]{26})~([A-Za-z0-9._-]+)~(\d+)~([0-9a-f-]*)\.(open|claimed|closed)$/;

export function formatSegmentName({ id, owner, state }: SegmentName): string {
  return `${id}~${owner.host}~${owner.pid}~${owner.start}.${state}`;
}

/** Undefined for a file that is not a segment, such as a cursor file. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [, id, host, pid, start, state] = match;
  if (id === undefined || host === undefined || start === undefined) return undefined;
  if (state !== 'open' && state !== 'claimed' && state !== 'closed') return undefined;
  return { id, owner: { host, pid: Number(pid), start }, state };
}

/** The folder in the journal's directory where `tasktrail workflow` keeps its state between two commands. */
export const WORKFLOW_STATE = 'current';

/** Whether the journal has made a file of this name. `.nfs...` is a removed file that is still open. */
export function isJournalName(name: string): boolean {
  return idOfCursorFile(name) !== undefined || NAME.test(name) || name.startsWith('.nfs');
}

/**
 * Undefined when only the file's age tells: the owner is on another host, or a thread of this process, which touches
 * its segments.
 */
function isOwnerAlive({ owner }: SegmentName): boolean | undefined {
  const alive = isProcessAlive(owner);
  return alive === true && owner.pid === process.pid ? undefined : alive;
}

/** Whether the process that owns the segment at this path has ended. */
export async function isOrphan(path: string, name: SegmentName): Promise<boolean> {
  const alive = isOwnerAlive(name);
  if (alive !== undefined) return !alive;
  try {
    return Date.now() - (await lstat(path)).mtimeMs > FOREIGN_STALE_MS;
  } catch {
    // Another process has claimed or removed it.
    return false;
  }
}

/** The ids of segments that living processes of this host have claimed, without those of `except`. */
export function liveClaimsIn(
  names: readonly string[],
  except: ProcessIdentity | undefined,
): readonly string[] {
  return names
    .map(parseSegmentName)
    .filter((name) => name?.state === 'claimed' && !isSameProcess(name.owner, except))
    .flatMap((name) => (name !== undefined && isProcessAlive(name.owner) === true ? [name.id] : []));
}
