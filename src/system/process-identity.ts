import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.ts';

/** What the system says of a pid: nobody has it, it was started then, or the system does not tell. */
type Seen = 'gone' | 'unknown' | { readonly start: string };

/** Which process: a pid alone may be somebody else's by now, so its start is part of it. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Opaque: boot, start tick and pid namespace on Linux, empty where the system does not tell. */
  readonly start: string;
}

let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  if (own === undefined) {
    const seen = look(process.pid);
    own = {
      host: hostname().replace(/[^A-Za-z0-9.-]/g, '_') || 'localhost',
      pid: process.pid,
      start: typeof seen === 'object' ? seen.start : '',
    };
  }
  return own;
}

/** A process of this host; `start` is empty when nobody has the pid. */
export function identityOf(pid: number): ProcessIdentity {
  const seen = look(pid);
  return { host: ownIdentity().host, pid, start: typeof seen === 'object' ? seen.start : '' };
}

/** Undefined when only time can tell: the process belongs to another host, or to another container on this one. */
export function isProcessAlive(identity: ProcessIdentity): boolean | undefined {
  const own = ownIdentity();
  if (identity.host !== own.host || isElsewhere(identity.start, own.start)) return undefined;
  const seen = look(identity.pid);
  if (typeof seen === 'object' && identity.start !== '') return seen.start === identity.start;
  if (seen === 'gone' && identity.start !== '') return false;
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Linux: the boot's id and the process's start tick (proc(5), field 22). A zombie has ended. */
function look(pid: number): Seen {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
    return { start: `${boot}-${fields[19]}-${pidSpace()}` };
  } catch (error) {
    // ESRCH: it ended between open and read. Anything but "no such process" (too many open files) says nothing.
    const errno = errnoOf(error);
    return errno === 'ENOENT' || errno === 'ESRCH' ? 'gone' : 'unknown';
  }
}

/** Pids of one namespace mean nothing in another. */
function pidSpace(): string {
  return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
}

/** Whether both name a pid namespace, and not the same one. */
function isElsewhere(start: string, ownStart: string): boolean {
  const [space, ownSpace] = [start.split('-')[2], ownStart.split('-')[2]];
  return space !== undefined && ownSpace !== undefined && space !== ownSpace;
}
