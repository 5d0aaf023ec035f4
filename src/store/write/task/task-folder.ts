import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isTempNameOf, makeDirectory } from '../../../system/durable.ts';
import { checkFolders } from '../../../system/files/real-folders.ts';
import { restoreTask } from '../../compress.ts';
import { TASK_FILES } from '../../layout.ts';
import type { NameGuard } from '../name-guard.ts';

/**
 * Makes the folder of a task, or makes an existing one ready to be written to: temporary files of a process that died are
 * removed, compressed ones restored. True when the folder is new and therefore empty. Throws for a link in its place, and
 * for an id that shares its folder with another one.
 */
export async function openTaskFolder(dir: string, taskId: string, names?: NameGuard): Promise<boolean> {
  await names?.checkNew('task', taskId);
  checkFolders(dir, 1);
  if (await makeDirectory(dir)) return true;
  await names?.checkFolder(taskId);
  await restoreTask(dir, await removeTemps(dir));
  return false;
}

/** Returns the other names. */
async function removeTemps(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir);
  const isTemp = (name: string): boolean =>
    Object.values(TASK_FILES).some((file) => isTempNameOf(name, file));
  for (const name of names.filter(isTemp)) await rm(join(dir, name), { force: true });
  return names.filter((name) => !isTemp(name));
}
