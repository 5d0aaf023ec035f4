import type { ProcessIdentity } from '../system/process-identity.ts';

/**
 * `<ulid>~<host>~<pid>~<start>.<state>`. `open`: its owner appends and sends. `claimed`: its owner sends what another
 * process left. `closed`: nobody owns it; the name's owner is who wrote it. A claim is a rename, so one process wins.
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

/** Undefined for a file that is not a segment (its cursors, a stranger's file). */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [, id, host, pid, start, state] = match;
  if (id === undefined || host === undefined || start === undefined) return undefined;
  if (state !== 'open' && state !== 'claimed' && state !== 'closed') return undefined;
  return { id, owner: { host, pid: Number(pid), start }, state };
}

/** Beside the segment and independent of its state: how far each destination has it. */
export function cursorFileName(id: string): string {
  return `${id}.cursors`;
}
