import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Config, loadConfig } from '../config/config.ts';
import { pickEnvironment } from '../config/environment.ts';
import { TasktrailError } from '../errors.ts';
import { isPathSafeId } from '../model/ids.ts';
import { readTrailKey } from '../store/key.ts';
import { readPageAddress } from '../store/page-address.ts';
import { createReader } from '../store/read/reader.ts';
import { refuseInVictoriaLogs } from './open-records.ts';
import { pickTask } from './task-pick.ts';
import { say } from './terminal/say.ts';
import { escapeLine } from './terminal/terminal-text.ts';

export interface OpenFlags {
  readonly dir?: string;
  readonly print?: boolean;
}

/** Prints the address of the page, or of one run or workflow on it, and opens it where there is a display. */
export async function openPage(wanted: string | undefined, flags: OpenFlags): Promise<number> {
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  refuseInVictoriaLogs(config, {
    ...{ dir: flags.dir, command: 'open' },
    advice: 'open the address of the balancer or of a service, which "tasktrail serve" prints',
  });
  const base = await addressOf(config);
  const address = base + (wanted === undefined ? '/' : await pathOf(config, wanted));
  process.stdout.write(`${escapeLine(address)}\n`);
  if (flags.print === true || !hasDisplay()) return 0;
  if (!(await openInBrowser(address))) say('no browser could be started: open the address yourself');
  return 0;
}

async function addressOf({ logDir, key: given }: Config): Promise<string> {
  const key = given ?? (await readTrailKey(logDir));
  const address = key === undefined ? undefined : await readPageAddress(logDir, key);
  if (address !== undefined) return address;
  throw new TasktrailError(
    'ERR_NOT_FOUND',
    `no service with a page holds ${escapeLine(logDir)}: start one with "tasktrail start", or name its directory with --dir`,
  );
}

/** Of a task by its id or the beginning of it, else of a workflow. */
async function pathOf({ logDir, workflowDir }: Config, wanted: string): Promise<string> {
  const reader = createReader(logDir, { workflowDir });
  const task = await pickTask({ logDir, reader }, wanted);
  if (task !== undefined) return `/tasks/${encodeURIComponent(task)}`;
  if (isPathSafeId(wanted) && (await reader.readWorkflow(wanted)) !== undefined)
    return `/workflows/${encodeURIComponent(wanted)}`;
  throw new TasktrailError(
    'ERR_NOT_FOUND',
    `there is no task or workflow ${escapeLine(wanted)} in ${escapeLine(logDir)}: "tasktrail tasks" lists the tasks`,
  );
}

/** Without a display `xdg-open` would start a browser in the terminal, or wait. */
function hasDisplay(): boolean {
  const { DISPLAY, WAYLAND_DISPLAY, SSH_CONNECTION } = pickEnvironment([
    'DISPLAY',
    'WAYLAND_DISPLAY',
    'SSH_CONNECTION',
  ]);
  if (process.platform === 'linux') return Boolean(DISPLAY) || Boolean(WAYLAND_DISPLAY);
  return SSH_CONNECTION === undefined;
}

/** No shell sees the address. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Whether the program was started. It goes on when this process has ended. */
async function openInBrowser(address: string): Promise<boolean> {
  const [program, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(program, [...args, address], { detached: true, stdio: 'ignore' });
  child.unref();
  try {
    await once(child, 'spawn');
    return true;
  } catch {
    // ENOENT, EACCES: there is no such program.
    return false;
  }
}
