import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve, sep } from 'node:path';

/** Windows finds a program without its extension. */
const SUFFIXES = process.platform === 'win32' ? ['', '.exe', '.cmd', '.bat'] : [''];

export interface ProgramPlace {
  /** Value of `PATH`. */
  readonly path: string;
  readonly cwd: string;
}

/** Resolves a program like execvp(3): a path relative to `cwd`, a bare name in the directories of `path`. */
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

/** The reason why a program cannot be started, and the remedy; undefined when it can. */
export function whyNotStartable(program: string, place: ProgramPlace): string | undefined {
  const what = `cannot start ${JSON.stringify(program)}`;
  if (!isDirectory(place.cwd))
    return `${what}: its working directory ${JSON.stringify(place.cwd)} does not exist or is not a directory`;
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
    // ENOENT, ENOTDIR, EACCES: no child can start there.
    return false;
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // ENOENT, EACCES, ENOTDIR: this user cannot run it.
    return false;
  }
}
