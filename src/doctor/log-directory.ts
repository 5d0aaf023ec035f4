import { constants, type Stats } from 'node:fs';
import { access, lstat, readdir, readlink, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, messageOf } from '../errors.ts';
import { type Finding, ok, problem, type Subject } from './finding.ts';

/** Of each kind of file one that is not ours tells as much as all: a look, not an inventory. */
const ENTRIES_MAX = 1_000;

const { R_OK, W_OK, X_OK } = constants;

/** Whether the directories are there, are directories, and can be written to by this user. */
export async function lookAtDirectory({ config }: Subject): Promise<readonly Finding[]> {
  if (!config.enabled || !config.store) {
    const setting = config.enabled ? 'TASK_LOGS_STORE' : 'TASK_LOGS_ENABLED';
    return [ok(config.logDir, `not written to by this process: ${setting} is false`)];
  }
  const { logDir, workflowDir } = config;
  const isElsewhere = !workflowDir.startsWith(join(logDir, '/'));
  const paths = isElsewhere ? [logDir, workflowDir] : [logDir];
  return (await Promise.all(paths.map(lookAtPath))).flat();
}

async function lookAtPath(path: string): Promise<readonly Finding[]> {
  const found = await describe(path);
  if (found === undefined) return [await lookAtParent(path)];
  if (typeof found === 'string') return [problem(path, found, 'remove it, or set another TASK_LOGS_DIR')];
  const refusal = await refusalOf(path);
  if (refusal !== undefined) return [refusal];
  return [ok(path, `writable${found.note}`), ...(await lookInside(path))];
}

/** Undefined when nothing is there; a text when what is there is no directory. */
async function describe(path: string): Promise<{ readonly note: string } | string | undefined> {
  const link = await statOf(() => lstat(path));
  if (link === undefined) return undefined;
  const note = link.isSymbolicLink() ? `, a link to ${await readlink(path)}` : '';
  const target = await statOf(() => stat(path));
  if (target === undefined) return `a link that leads nowhere${note}`;
  return target.isDirectory() ? { note } : `a file stands where the directory should be${note}`;
}

async function statOf(look: () => Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await look();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function lookAtParent(path: string): Promise<Finding> {
  const parent = await existingParent(path);
  const isDirectory = (await stat(parent)).isDirectory();
  const advice = `mkdir -p ${path}, as a user who may; or set another TASK_LOGS_DIR`;
  if (!isDirectory) return problem(path, `cannot be made: ${parent} is a file`, advice);
  if ((await refusalOf(parent)) !== undefined)
    return problem(path, `is not there, and this user may not make it in ${parent}`, advice);
  return ok(path, 'is not there yet; it is made at the start');
}

/** The nearest one above that is there. */
export async function existingParent(path: string): Promise<string> {
  for (let parent = path; ; parent = dirname(parent)) {
    if (parent === dirname(parent) || (await statOf(() => stat(parent))) !== undefined) return parent;
  }
}

async function refusalOf(path: string): Promise<Finding | undefined> {
  try {
    await access(path, R_OK | W_OK | X_OK);
    return undefined;
  } catch (error) {
    const isReadOnly = errnoOf(error) === 'EROFS';
    const what = isReadOnly ? 'the file system is read-only' : `this user may not write: ${messageOf(error)}`;
    const advice = isReadOnly ? 'mount it for writing' : `chown it to ${userName()}, or give write access`;
    return problem(path, what, `${advice}; or set another TASK_LOGS_DIR`);
  }
}

/** What a service under another user has left: it is seen when a task is written there, which is late. */
async function lookInside(path: string): Promise<readonly Finding[]> {
  const names = (await readdir(path)).sort().slice(0, ENTRIES_MAX);
  // What begins with `_` is used by every start, so it is looked into.
  const inner = await Promise.all(
    names.filter((name) => name.startsWith('_')).map((name) => below(path, name)),
  );
  const refused: string[] = [];
  for (const name of [...names, ...inner.flat()]) {
    if (!(await isWritable(join(path, name)))) refused.push(name);
  }
  const [first] = refused;
  if (first === undefined) return [];
  const more = refused.length > 1 ? ` and ${refused.length - 1} more` : '';
  const what = `this user may not write ${first}${more}`;
  return [problem(path, what, `they are another user's: chown -R ${userName()} ${path}`)];
}

async function below(path: string, name: string): Promise<readonly string[]> {
  try {
    const names = await readdir(join(path, name));
    return names.slice(0, ENTRIES_MAX).map((inner) => join(name, inner));
  } catch {
    // ENOTDIR: a file. EACCES: the folder itself is in the list, and refused.
    return [];
  }
}

async function isWritable(path: string): Promise<boolean> {
  try {
    await access(path, W_OK);
    return true;
  } catch (error) {
    // It may have gone meanwhile; a directory in use is like that.
    return errnoOf(error) === 'ENOENT';
  }
}

function userName(): string {
  return process.getuid === undefined ? 'this user' : String(process.getuid());
}
