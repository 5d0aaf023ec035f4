import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.ts';
import { readProc, readStat } from './process-table.ts';

/**
 * State of a pid: no process has it (`gone`), a process started at `start`, or the system gives no answer
 * (`unknown`).
 */
type PidState = 'gone' | 'unknown' | { readonly start: string };

/** Identifies a process. A pid alone may be reused, so its start is part of the identity. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Opaque: boot id, start tick and pid namespace on Linux; empty on other systems. */
  readonly start: string;
}

let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  if (own === undefined) {
    const state = pidState(process.pid);
    own = {
      host: hostname().replace(/[^A-Za-z0-9.-]/g, '_') || 'localhost',
      pid: process.pid,
      start: typeof state === 'object' ? state.start : '',
    };
  }
  return own;
}

/** Identity of a process on this host; `start` is empty when no process has the pid. */
export function identityOf(pid: number): ProcessIdentity {
  const state = pidState(pid);
  return { host: ownIdentity().host, pid, start: typeof state === 'object' ? state.start : '' };
}

/** Whether both are the same process. False without a start: the pid may have been reused. */
export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity | undefined): boolean {
  return b !== undefined && a.start !== '' && a.start === b.start && a.pid === b.pid && a.host === b.host;
}

/**
 * Undefined when it cannot be determined: the process belongs to another host, or to another pid namespace
 * (container).
 */
export function isProcessAlive(identity: ProcessIdentity): boolean | undefined {
  const own = ownIdentity();
  if (identity.host !== own.host || isOtherNamespace(identity.start, own.start)) return undefined;
  const state = pidState(identity.pid);
  if (typeof state === 'object' && identity.start !== '') return state.start === identity.start;
  if (state === 'gone' && identity.start !== '') return false;
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Linux only: boot id and start tick of the process. */
function pidState(pid: number): PidState {
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

/** Inode of the pid namespace: a pid is only valid within one. */
function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
}

/** Whether both starts name a pid namespace and the two differ. */
function isOtherNamespace(start: string, ownStart: string): boolean {
  const [namespace, ownNamespace] = [start.split('-')[2], ownStart.split('-')[2]];
  return namespace !== undefined && ownNamespace !== undefined && namespace !== ownNamespace;
}
