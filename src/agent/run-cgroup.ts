import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../errors.ts';
import { readProc } from '../system/process-table.ts';

/** Folders of runs begin with this, so that a run's facts cannot name another group. */
const PREFIX = 'tasktrail-run-';

const PROCS = 'cgroup.procs';
const KILL = 'cgroup.kill';

/** Bound for the removal: killed processes leave their group when the kernel has torn them down. */
const REMOVE_MS = 2_000;
const POLL_MS = 10;

/** A group is made below the own one, where a manager of services (`Delegate=yes`) or the rights of root allow it. */
export function makeRunGroup(runId: string, parent: string | undefined = ownGroup()): string | undefined {
  if (parent === undefined) return undefined;
  const directory = join(parent, `${PREFIX}${runId}`);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch {
    // EROFS in most containers, EACCES without delegation: the run's processes are found by their environment.
    return undefined;
  }
  try {
    // Version 2 since Linux 5.14. Without it, a group that forks faster than it is read cannot be ended.
    readFileSync(join(directory, PROCS));
    writeFileSync(join(directory, KILL), '0', { flag: 'r+' });
  } catch (error) {
    // ERANGE, EINVAL: the file is there, and takes nothing but 1.
    if (['ERANGE', 'EINVAL'].includes(errnoOf(error) ?? '')) return directory;
    rmdirQuietly(directory);
    return undefined;
  }
  return directory;
}

/** The file through which a process enters the group. */
export function groupFileOf(directory: string): string {
  return join(directory, PROCS);
}

/** The processes of a run's group and of the groups below it. Empty for a group that is gone. */
export function processesInGroup(directory: string): readonly number[] {
  if (!isRunGroup(directory)) return [];
  return groupsBelow(directory)
    .flatMap((group) => readQuietly(join(group, PROCS)).split('\n'))
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid);
}

/** Kills everything in the group at once, also what forks meanwhile, and removes it. */
export async function endRunGroup(directory: string): Promise<void> {
  if (!isRunGroup(directory)) return;
  const untilMs = performance.now() + REMOVE_MS;
  for (;;) {
    try {
      writeFileSync(join(directory, KILL), '1', { flag: 'r+' });
    } catch {
      // ENOENT: it is gone.
      return;
    }
    for (const group of groupsBelow(directory).toReversed()) rmdirQuietly(group);
    if (performance.now() > untilMs) return;
    await delay(POLL_MS);
  }
}

function isRunGroup(directory: string): boolean {
  return basename(directory).startsWith(PREFIX);
}

/** The group itself first. */
function groupsBelow(directory: string): readonly string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    const children = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
    return [directory, ...children.flatMap(groupsBelow)];
  } catch {
    // ENOENT: it is gone.
    return [];
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // ENOENT: the group is gone. EOPNOTSUPP: a group of threads.
    return '';
  }
}

function rmdirQuietly(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // EBUSY: a killed process has not left it yet.
  }
}

/** Of this process, in the hierarchy of version 2; undefined on systems without one. cgroups(7). */
export function ownGroup(): string | undefined {
  try {
    const path = /^0::(\/.*)$/m.exec(readProc('self/cgroup'))?.[1];
    const mount = readProc('self/mountinfo')
      .split('\n')
      .map((line) => line.split(' '))
      .find((fields) => fields[fields.indexOf('-', 6) + 1] === 'cgroup2');
    const [root, point] = [mount?.[3], mount?.[4]];
    if (path === undefined || root === undefined || point === undefined) return undefined;
    const below =
      root === '/'
        ? path
        : path.startsWith(`${root}/`) || path === root
          ? path.slice(root.length)
          : undefined;
    return below === undefined ? undefined : join(unescaped(point), below);
  } catch {
    // ENOENT: no /proc.
    return undefined;
  }
}

/** Blanks in a mount point are octal. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
