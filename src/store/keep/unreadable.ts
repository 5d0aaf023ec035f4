import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { isUnreadable, readableNamesIn } from '../../system/files/optional-files.ts';
import { OWN_NAMES } from '../layout.ts';
import { WorkflowPlaces } from '../workflow-place.ts';

const { R_OK, W_OK, X_OK } = constants;

/** A file or folder that is left out of every list. */
export interface Unreadable {
  /** Relative to the log directory, or to the workflow directory when that is elsewhere. */
  readonly name: string;
  readonly path: string;
  /** The error of the system, `symbolic link`, or `not a folder`. */
  readonly why: string;
}

/**
 * Tasks, workflows, deliveries, feeds and kept jobs that this user cannot read and write, sorted by name. The service goes on
 * without them, so that one bad file does not stop the others.
 */
export async function findUnreadable(logDir: string, workflowDir: string): Promise<readonly Unreadable[]> {
  const found: Unreadable[] = [];
  const check = async (dir: string, names: readonly string[], prefix: string): Promise<void> => {
    await mapBounded(names, async (name) => {
      const path = join(dir, name);
      const why = await refusalOf(path, prefix === '' && OWN_FOLDERS.has(name));
      if (why !== undefined) found.push({ name: prefix + name, path, why });
    });
  };
  await check(logDir, (await readableNamesIn(logDir)).filter(isOurs), '');
  const webhooks = join(logDir, OWN_NAMES.webhooks);
  await check(webhooks, await readableNamesIn(webhooks), `${OWN_NAMES.webhooks}/`);
  const queue = join(logDir, OWN_NAMES.queue);
  await check(queue, await readableNamesIn(queue), `${OWN_NAMES.queue}/`);
  const workflows = workflowDir.startsWith(join(logDir, '/'))
    ? workflowDir.slice(logDir.length + 1)
    : workflowDir;
  const feed = join(workflowDir, OWN_NAMES.feed);
  await check(feed, await readableNamesIn(feed), `${workflows}/${OWN_NAMES.feed}/`);
  const years = (await readableNamesIn(workflowDir)).filter((name) => /^\d{4}$/.test(name));
  await check(workflowDir, years, `${workflows}/`);
  for (const year of years) {
    const folder = join(workflowDir, year);
    await check(
      folder,
      (await readableNamesIn(folder)).filter((name) => /^\d\d$/.test(name)),
      `${workflows}/${year}/`,
    );
  }
  for (const month of await new WorkflowPlaces(workflowDir).months())
    await check(month, await readableNamesIn(month), `${workflows}${month.slice(workflowDir.length)}/`);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Those of an earlier search that are still unreadable. */
export async function stillUnreadable(before: readonly Unreadable[]): Promise<readonly Unreadable[]> {
  const now = await mapBounded(before, async ({ path, why }) => refusalOf(path, why === NO_FOLDER));
  return before.filter((_, index) => now[index] !== undefined);
}

/** For `/readyz` and `doctor`. */
export function unreadableText(found: readonly Unreadable[]): string | undefined {
  const parts: string[] = [];
  const files = found.filter(({ why }) => why === NO_FOLDER).map(({ name }) => name);
  const others = found
    .filter(({ why }) => why !== LINK && why !== NO_FOLDER)
    .map(({ name, why }) => `${name} (${why})`);
  const links = found.filter(({ why }) => why === LINK).map(({ name }) => name);
  if (others.length > 0)
    parts.push(`set aside, because this user cannot read and write it: ${shownOf(others)}`);
  if (links.length > 0) parts.push(`set aside, because symbolic links are not followed: ${shownOf(links)}`);
  if (files.length > 0)
    parts.push(`a file stands where a folder belongs, so nothing is stored there: remove ${shownOf(files)}`);
  return parts.length === 0 ? undefined : parts.join('; ');
}

const LINK = 'symbolic link';
const NO_FOLDER = 'not a folder';

const SHOWN_MAX = 5;

function shownOf(names: readonly string[]): string {
  const more = names.length > SHOWN_MAX ? ` and ${names.length - SHOWN_MAX} more` : '';
  return names.slice(0, SHOWN_MAX).join(', ') + more;
}

/** `_journal` and `_agent` are those of other parts. */
const OWN_FOLDERS = new Set<string>([
  ...[OWN_NAMES.webhooks, OWN_NAMES.workflows, OWN_NAMES.queue, OWN_NAMES.config],
  ...['_journal', '_agent'],
]);
const OWN_FILES = new Set<string>([OWN_NAMES.key, OWN_NAMES.directory]);

/** Task folders and our own entries. */
function isOurs(name: string): boolean {
  return isPathSafeId(name) || OWN_FOLDERS.has(name) || OWN_FILES.has(name);
}

async function refusalOf(path: string, isFolder = false): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return LINK;
    if (isFolder && !stats.isDirectory()) return NO_FOLDER;
    await access(path, R_OK | W_OK);
    // A folder is opened too; a file has no such permission.
    if (stats.isDirectory()) await access(path, X_OK);
    return undefined;
  } catch (error) {
    return isUnreadable(error) ? errnoOf(error) : undefined;
  }
}
