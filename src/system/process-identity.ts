import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.ts';
import { readProc, readStat } from './process-table.ts';

/** The state of a pid: no process has it, it started at `start`, or the system does not say. */
type Seen = 'gone' | 'unknown' | { readonly start: string };

/** Identifies one process: pids are reused, so the start time is part of it. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Opaque: boot id, start tick and pid namespace on Linux, empty where the system does not say. */
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

/** A process of this host; `start` is empty when no process has the pid. */
export function identityOf(pid: number): ProcessIdentity {
  const seen = look(pid);
  return { host: ownIdentity().host, pid, start: typeof seen === 'object' ? seen.start : '' };
}

/** Undefined for a process of another host or pid namespace, which cannot be seen from here. */
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

function look(pid: number): Seen {
  try {
    const { state, startTicks } = readStat(pid);
    // A zombie has ended; its parent has not collected the exit code yet.
    if (state === 'Z' || state === 'X') return 'gone';
    const boot = readProc('sys/kernel/random/boot_id').slice(0, 8);
    return { start: `${boot}-${startTicks}-${pidNamespace()}` };
  } catch (error) {
    // ESRCH: it ended between open and read. Other errors (EMFILE) say nothing about the process.
    const errno = errnoOf(error);
    return errno === 'ENOENT' || errno === 'ESRCH' ? 'gone' : 'unknown';
  }
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
}

/** Whether both starts name a pid namespace and the two differ. */
function isElsewhere(start: string, ownStart: string): boolean {
  const [namespace, ownNamespace] = [start.split('-')[2], ownStart.split('-')[2]];
  return namespace !== undefined && ownNamespace !== undefined && namespace !== ownNamespace;
}
