import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { isUnreadable, readableNamesIn } from '../../system/optional-files.ts';
import { OWN_NAMES } from '../layout.ts';
import { mapBounded } from '../read/listing.ts';
import { WorkflowPlaces } from '../workflow-place.ts';

const { R_OK, W_OK, X_OK } = constants;

/** A file or folder that is left out of every list. */
export interface Unreadable {
  /** Relative to the log directory, or to the workflow directory when that is elsewhere. */
  readonly name: string;
  readonly path: string;
  readonly errno: string;
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
      const errno = await refusalOf(path);
      if (errno !== undefined) found.push({ name: prefix + name, path, errno });
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
  for (const month of await new WorkflowPlaces(workflowDir).months()) {
    const name = `${workflows}${month.slice(workflowDir.length)}`;
    const errno = await refusalOf(month);
    if (errno !== undefined) found.push({ name, path: month, errno });
    else await check(month, await readableNamesIn(month), `${name}/`);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Those of an earlier search that are still unreadable. */
export async function stillUnreadable(before: readonly Unreadable[]): Promise<readonly Unreadable[]> {
  const now = await mapBounded(before, async ({ path }) => refusalOf(path));
  return before.filter((_, index) => now[index] !== undefined);
}

/** For `/readyz` and `doctor`. */
export function unreadableText(found: readonly Unreadable[]): string | undefined {
  if (found.length === 0) return undefined;
  const shown = found.slice(0, SHOWN_MAX).map(({ name, errno }) => `${name} (${errno})`);
  const more = found.length > SHOWN_MAX ? ` and ${found.length - SHOWN_MAX} more` : '';
  return `set aside, because this user cannot read and write it: ${shown.join(', ')}${more}`;
}

const SHOWN_MAX = 5;

/** Task folders and our own entries. */
function isOurs(name: string): boolean {
  return (
    isPathSafeId(name) ||
    [OWN_NAMES.webhooks, OWN_NAMES.workflows, OWN_NAMES.queue].some((own) => own === name)
  );
}

async function refusalOf(path: string): Promise<string | undefined> {
  try {
    await access(path, R_OK | W_OK);
    // A folder is opened too; a file has no such permission.
    if ((await stat(path)).isDirectory()) await access(path, X_OK);
    return undefined;
  } catch (error) {
    return isUnreadable(error) ? errnoOf(error) : undefined;
  }
}
