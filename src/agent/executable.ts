import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve, sep } from 'node:path';

/** On Windows a program is found without its ending. */
const SUFFIXES = process.platform === 'win32' ? ['', '.exe', '.cmd', '.bat'] : [''];

export interface ProgramPlace {
  /** What `PATH` says. */
  readonly path: string;
  readonly cwd: string;
}

/** Where a program is, as the system looks for it: by its path, seen from `cwd`, or in the directories of `path`. */
export function findProgram(program: string, { path, cwd }: ProgramPlace): string | undefined {
  const isPath = program.includes('/') || program.includes(sep);
  const folders = isPath ? ['.'] : path.split(delimiter);
  for (const folder of folders) {
    for (const suffix of SUFFIXES) {
      const found = resolve(cwd, folder, program + suffix);
      if (isProgram(found)) return found;
    }
  }
  return undefined;
}

/** Why a program cannot be started, and what to do; undefined when nothing is in its way. */
export function whyNotStartable(program: string, place: ProgramPlace): string | undefined {
  const what = `cannot start ${JSON.stringify(program)}`;
  if (!isDirectory(place.cwd))
    return `${what}: its working directory ${JSON.stringify(place.cwd)} is not there or not a directory`;
  if (findProgram(program, place) !== undefined) return undefined;
  const isPath = program.includes('/') || program.includes(sep);
  if (isPath && statSync(resolve(place.cwd, program), { throwIfNoEntry: false }) !== undefined)
    return `${what}: not executable for this user; check its mode and that it is a program`;
  return `${what}: not found; install it, or give its full path`;
}

export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // ENOENT, ENOTDIR, EACCES: for a child to start in, all the same.
    return false;
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // ENOENT, EACCES, ENOTDIR: not a program for us, whichever it is.
    return false;
  }
}
