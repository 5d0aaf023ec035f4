import { spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  statSync,
} from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account } from './account.ts';

/** The folder of an agent: its input file, and the log directory of the commands that it runs. */
export interface AgentPlace {
  readonly directory: string;
  /** Of the owner; null: the user of the service, and the folder is the run's own. */
  readonly uid: number | null;
  readonly gid: number | null;
}

const PREFIX = 'tasktrail-agent-';
const SHARED_FOLDER = '/tmp';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

const INPUT = 'input.json';
const LOG = 'log';

/** For the agent alone. */
export function inputFileOf({ directory }: AgentPlace): string {
  return join(directory, INPUT);
}

/** `TASK_LOGS_DIR` of the commands in the agent: their records wait there until they are sent with the task's token. */
export function logDirOf({ directory }: AgentPlace): string {
  return join(directory, LOG);
}

/**
 * Makes a folder that another user owns. It stands in the system's folder for temporary files, because the log directory is
 * closed to that user. The owner is changed through a descriptor of what was made here, so no link can redirect it.
 */
export function makePlace({ uid, gid }: Account): AgentPlace {
  const directory = mkdtempSync(join(placeParent(), PREFIX));
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const { uid: owner } = fstatSync(fd);
    if (owner !== process.getuid?.()) throw new TypeError(`${directory} was replaced`);
    fchmodSync(fd, DIRECTORY_MODE);
    fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
  return { directory, uid, gid };
}

/** `TMPDIR` of the service may be closed to other users. */
function placeParent(): string {
  const { mode } = statSync(SHARED_FOLDER, { throwIfNoEntry: false }) ?? {};
  if (mode === undefined) return tmpdir();
  // Without the sticky bit another user could rename the new folder and put one of its own there.
  if ((mode & 0o1002) === 0o002)
    throw new TypeError(`${SHARED_FOLDER} has no sticky bit: chmod +t ${SHARED_FOLDER}`);
  return SHARED_FOLDER;
}

/** Writes the input and makes the log directory. Before the agent's start: nothing else can be in the folder yet. */
export async function fillPlace(place: AgentPlace, document: string | undefined): Promise<void> {
  mkdirSync(logDirOf(place), { mode: DIRECTORY_MODE });
  giveTo(place, logDirOf(place));
  if (document === undefined) return;
  await writeFile(inputFileOf(place), document, { mode: FILE_MODE, flag: 'wx' });
  giveTo(place, inputFileOf(place));
}

function giveTo({ uid, gid }: AgentPlace, path: string): void {
  if (uid === null || gid === null) return;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

/**
 * Removes what the agent may have written. The folder of another user is removed with that user's rights: while root walks
 * through a folder, its owner can put a link in the place of a part of it.
 */
export async function removePlace(place: AgentPlace): Promise<void> {
  const { directory, uid, gid } = place;
  if (uid === null || gid === null) {
    await rm(logDirOf(place), { recursive: true, force: true });
    await rm(inputFileOf(place), { force: true });
    return;
  }
  // A damaged file of facts must not remove anything else.
  if (!directory.startsWith(join(placeParent(), PREFIX)) || uid === 0) return;
  const remover = spawn('/bin/rm', ['-rf', '--', directory], {
    uid,
    gid,
    cwd: '/',
    env: {},
    stdio: 'ignore',
  });
  await new Promise<void>((resolve) => {
    remover.once('error', () => resolve());
    remover.once('exit', () => resolve());
  });
}
