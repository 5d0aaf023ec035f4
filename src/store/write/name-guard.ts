import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TasktrailError } from '../../errors.ts';
import { makeNamedDirectory } from '../../system/durable.ts';
import { writeNewText } from '../../system/files/new-file.ts';
import { readableNamesIn } from '../../system/files/optional-files.ts';
import { WORKFLOW_FILES } from '../layout.ts';

/** What a file system does to names. */
export interface NameRules {
  /** `A` and `a` are one name: macOS and Windows by default, FAT, ext4 with casefold. */
  readonly foldsCase: boolean;
  /** A name comes back in the letters that it was given: not on some shares. */
  readonly keepsCase: boolean;
  /** `a.` and `a` are one name: Windows, FAT. */
  readonly dropsDots: boolean;
  /** `con`, `aux.txt` and the like are devices: Windows. */
  readonly hasDevices: boolean;
}

const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

/**
 * Refuses ids that the file system does not tell from others: two tasks would share their files. Looks at the file system
 * once, with a file that is removed again.
 */
export class NameGuard {
  readonly #dir: string;
  readonly #probe: (dir: string) => Promise<NameRules>;
  #rules: Promise<NameRules> | undefined;

  constructor(dir: string, probe: (dir: string) => Promise<NameRules> = probeNames) {
    this.#dir = dir;
    this.#probe = probe;
  }

  /** Throws `ERR_ID_INVALID` for a name that no file of this file system can have. */
  async checkNew(what: string, id: string): Promise<void> {
    const { keepsCase, dropsDots, hasDevices } = await this.#known();
    if (!keepsCase && /[A-Z]/.test(id))
      throw refused(what, id, 'has upper-case letters, which this file system loses');
    if (dropsDots && id.endsWith('.')) throw refused(what, id, 'ends in a dot, which this file system drops');
    if (hasDevices && DEVICE.test(id)) throw refused(what, id, 'is the name of a device on Windows');
  }

  /** Throws `ERR_ID_INVALID` when the existing folder of the task belongs to an id in other letters. */
  async checkFolder(taskId: string): Promise<void> {
    if (!(await this.#known()).foldsCase) return;
    const names = await readdir(this.#dir);
    if (!names.includes(taskId)) throwTwin('task', taskId, findTwin(names, taskId));
  }

  /** `checkFolder` for the files of a workflow in its month. */
  async checkFiles(month: string, workflowId: string): Promise<void> {
    if (!(await this.#known()).foldsCase) return;
    const own = Object.values(WORKFLOW_FILES).map((suffix) => workflowId + suffix);
    const names = await readdir(month);
    for (const name of own) {
      const twin = names.includes(name) ? undefined : findTwin(names, name);
      throwTwin('workflow', workflowId, twin?.slice(0, workflowId.length));
    }
  }

  #known(): Promise<NameRules> {
    this.#rules ??= this.#probe(this.#dir);
    // Tried again: the directory may be made later.
    this.#rules.catch(() => {
      this.#rules = undefined;
    });
    return this.#rules;
  }
}

/** First letters of the files with which a file system is tried out. */
export const PROBE = '.Probe-';

/** A process that was killed while it tried out the file system has left its file. */
export async function removeLeftProbes(dir: string): Promise<void> {
  for (const name of await readableNamesIn(dir))
    if (name.startsWith(PROBE)) await rm(join(dir, name), { force: true }).catch(() => undefined);
}

export async function probeNames(dir: string): Promise<NameRules> {
  await makeNamedDirectory(dir);
  const name = `${PROBE}${process.pid}`;
  await writeNewText(join(dir, name), '');
  const isFound = (other: string): Promise<boolean> =>
    lstat(join(dir, other)).then(
      () => true,
      () => false,
    );
  try {
    return {
      foldsCase: await isFound(name.toUpperCase()),
      keepsCase: (await readdir(dir)).includes(name),
      dropsDots: await isFound(`${name}.`),
      hasDevices: process.platform === 'win32',
    };
  } finally {
    await rm(join(dir, name), { force: true });
  }
}

function findTwin(names: readonly string[], name: string): string | undefined {
  // Ids are ASCII, so no file system folds them in any other way.
  const folded = name.toLowerCase();
  return names.find((other) => other.toLowerCase() === folded);
}

function throwTwin(what: string, id: string, twin: string | undefined): void {
  if (twin !== undefined)
    throw refused(
      what,
      id,
      `differs only in upper and lower case from ${twin}, which has the same files here`,
    );
}

function refused(what: string, id: string, why: string): TasktrailError {
  return new TasktrailError('ERR_ID_INVALID', `${what} id ${id} ${why}`);
}
