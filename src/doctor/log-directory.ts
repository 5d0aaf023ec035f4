import { constants, type Stats } from 'node:fs';
import { access, lstat, readdir, readlink, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, messageOf } from '../errors.ts';
import { findUnreadable, unreadableText } from '../store/keep/unreadable.ts';
import { type Finding, ok, problem, type Subject } from './finding.ts';

/** Entries per directory. One file of another user is enough for a finding, so large directories are not read whole. */
const ENTRIES_MAX = 1_000;

const { R_OK, W_OK, X_OK } = constants;

/** Whether the directories exist, are directories, and are writable for this user. */
export async function checkLogDirectory({ config }: Subject): Promise<readonly Finding[]> {
  if (!config.enabled || !config.store) {
    const setting = config.enabled ? 'TASK_LOGS_STORE' : 'TASK_LOGS_ENABLED';
    return [ok(config.logDir, `not written to by this process: ${setting} is false`)];
  }
  const { logDir, workflowDir } = config;
  const isElsewhere = !workflowDir.startsWith(join(logDir, '/'));
  const paths = isElsewhere ? [logDir, workflowDir] : [logDir];
  return [...(await Promise.all(paths.map(checkPath))).flat(), ...(await checkReadable(config))];
}

/** The service leaves these out of every list and goes on. */
async function checkReadable({ logDir, workflowDir }: Subject['config']): Promise<readonly Finding[]> {
  const found = await findUnreadable(logDir, workflowDir);
  const what = unreadableText(found);
  if (what === undefined) return [];
  const isForeign = found.some(({ why }) => /^E[A-Z]+$/.test(why));
  const remedy = isForeign ? `chown -R ${userName()} ${logDir} && chmod -R u+rwX ${logDir}` : 'remove them';
  const advice = `${remedy}; the service goes on without them until then`;
  return [problem(logDir, what, advice)];
}

async function checkPath(path: string): Promise<readonly Finding[]> {
  const found = await describe(path);
  if (found === undefined) return [await checkParent(path)];
  if (typeof found === 'string') return [problem(path, found, 'remove it, or set another TASK_LOGS_DIR')];
  const refusal = await refusalOf(path);
  if (refusal !== undefined) return [refusal];
  return [ok(path, `writable${found.note}`), ...(await checkContents(path))];
}

/** Undefined when the path does not exist; a text when it is not a directory. */
async function describe(path: string): Promise<{ readonly note: string } | string | undefined> {
  const link = await statOf(() => lstat(path));
  if (link === undefined) return undefined;
  const note = link.isSymbolicLink() ? `, a link to ${await readlink(path)}` : '';
  const target = await statOf(() => stat(path));
  if (target === undefined) return `a broken link${note}`;
  return target.isDirectory() ? { note } : `a file stands where the directory should be${note}`;
}

async function statOf(read: () => Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await read();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function checkParent(path: string): Promise<Finding> {
  const parent = await existingParent(path);
  const isDirectory = (await stat(parent)).isDirectory();
  const advice = `create it as a user with permission (mkdir -p ${path}), or set another TASK_LOGS_DIR`;
  if (!isDirectory) return problem(path, `cannot be created: ${parent} is a file`, advice);
  if ((await refusalOf(parent)) !== undefined)
    return problem(path, `does not exist, and this user may not create it in ${parent}`, advice);
  return ok(path, 'is not there yet; it is created at the start');
}

/** The path itself, or its nearest ancestor that exists. */
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

/** Files that a service of another user has left. Without this check they show only when a task is written there. */
async function checkContents(path: string): Promise<readonly Finding[]> {
  const names = (await readdir(path)).sort().slice(0, ENTRIES_MAX);
  // Every start uses the directories with a leading `_`, so their entries are checked too.
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
    // Removed meanwhile, as happens in a directory in use.
    return errnoOf(error) === 'ENOENT';
  }
}

function userName(): string {
  return process.getuid === undefined ? 'this user' : String(process.getuid());
}
