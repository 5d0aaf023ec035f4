import { readdirSync, readFileSync } from 'node:fs';

/** Fields of `/proc/<pid>/stat`, see proc(5). */
export interface ProcessStat {
  /** One letter; `Z` is a zombie, `X` is dead. */
  readonly state: string;
  readonly groupId: number;
  /** Clock ticks since boot, as the kernel prints them. */
  readonly startTicks: string;
}

/** The text of a file below `/proc`. Latin-1, because names and environments can hold any bytes. */
export function readProc(path: string): string {
  return readFileSync(`/proc/${path}`, 'latin1');
}

/** Every process that this user can see. macOS and Windows have no `/proc`: the list is empty there. */
export function listPids(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    // ENOENT: no /proc.
    return [];
  }
}

/** Throws ENOENT or ESRCH when the process has ended. */
export function readStat(pid: number): ProcessStat {
  const stat = readProc(`${pid}/stat`);
  // The second field is the program's name in parentheses and can hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', groupId: Number(fields[2]), startTicks: fields[19] ?? '' };
}

/** The environment at the start of the process, as `NAME=value` entries separated by NUL; empty when unreadable. */
export function readEnvironment(pid: number): string {
  try {
    return readProc(`${pid}/environ`);
  } catch {
    // ENOENT, ESRCH: the process has ended. EACCES: it belongs to another user, so no signal would reach it either.
    return '';
  }
}
