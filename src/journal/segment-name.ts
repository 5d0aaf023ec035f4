import type { ProcessIdentity } from '../system/process-identity.ts';

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

/** Holds the cursor of each destination. Its name does not change with the segment's state. */
export function cursorFileName(id: string): string {
  return `${id}.cursors`;
}
