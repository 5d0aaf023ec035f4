import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { folderOfTenant } from '../../model/tenant.ts';

const SYSTEM_LOG_DIR = '/data/logs/tasks';

/** Where the log directory is when no setting says it. */
export function defaultLogDir(
  variables: Readonly<Record<string, string | undefined>>,
  home: string = homedir(),
): string {
  try {
    accessSync(SYSTEM_LOG_DIR, constants.W_OK | constants.X_OK);
    return SYSTEM_LOG_DIR;
  } catch {
    // ENOENT, EACCES: then the user's own state directory.
    const state = variables.XDG_STATE_HOME ?? '';
    // A relative path is ignored (XDG Base Directory Specification): it would differ by working directory.
    return join(isAbsolute(state) ? state : join(home, '.local', 'state'), 'tasktrail', 'tasks');
  }
}

/** Below a log directory: a folder for each tenant. */
const TENANTS = '_tenants';

/**
 * The log directory of a tenant: processes of several tenants may have the same setting, and must not send each other's records.
 * One that a parent process has resolved already stays as it is.
 */
export function directoryOfTenant(directory: string, tenant: string | undefined): string {
  const folder = folderOfTenant(tenant);
  if (folder === undefined) return directory;
  const isResolved = basename(directory) === folder && basename(dirname(directory)) === TENANTS;
  return isResolved ? directory : join(directory, TENANTS, folder);
}
