import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.ts';

/** Which process: a pid alone may be somebody else's by now, so its start is part of it. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Opaque: boot and start tick on Linux, empty where the system does not tell. */
  readonly start: string;
}

let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  own ??= {
    host: hostname().replace(/[^A-Za-z0-9.-]/g, '_') || 'localhost',
    pid: process.pid,
    start: startOf(process.pid) ?? '',
  };
  return own;
}

/** Undefined when only time can tell: the process belongs to another host. */
export function isProcessAlive(identity: ProcessIdentity): boolean | undefined {
  if (identity.host !== ownIdentity().host) return undefined;
  const start = startOf(identity.pid);
  if (start !== undefined) return start === identity.start;
  if (identity.start !== '') return false;
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Linux: the boot's id and the process's start tick (proc(5), field 22). A zombie has ended. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
    return `${boot}-${fields[19]}`;
  } catch {
    // No such process, or no /proc on this system.
    return undefined;
  }
}
