import { existsSync, lstatSync, type Stats, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { basename, dirname, join, relative, sep } from 'node:path';
import { foldersIn } from '../agent/orphan-runs.ts';
import { RunFolder } from '../agent/run-folder.ts';
import { readMark } from '../agent/run-mark.ts';
import { findRunProcesses } from '../agent/run-processes.ts';
import type { Config } from '../config/config.ts';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { isoFromMs } from '../model/time.ts';
import { type AgentRuns, ConfigMemory } from '../store/config-memory.ts';
import { setFileMode } from '../system/files/modes.ts';
import { isProcessAlive, ownIdentity } from '../system/process-identity.ts';
import { agentFolder } from '../trail/trail.ts';
import { realDirectory } from './agent-spans.ts';

/** The kernel stamps files by its tick, which lags some milliseconds behind the clock. */
const TICK_MS = 50;

/** A time in which agents could write below a directory. */
interface Window {
  readonly directories: readonly string[];
  readonly fromMs: number;
  /** Infinity: still. */
  readonly toMs: number;
}

interface Change {
  readonly path: string;
  readonly atMs: number;
  readonly directory: string;
}

/**
 * Throws `ERR_CONFIG_INVALID` for configuration files that changed while an agent could write them: a service must not
 * take its commands and secrets from its own agents. Writes nothing: the start may still be refused.
 */
export async function checkConfigFiles(config: Config): Promise<void> {
  if (!isGuarded(config)) return;
  const changed = await usingMemory(config, () => changedConfigFiles(config));
  if (changed.length > 0) {
    const lines = changed.map(({ path, what }) => `${path}: ${what}`);
    throw new TasktrailError(
      'ERR_CONFIG_INVALID',
      [...lines, `An agent may have written it. ${CHANGED_ADVICE}`].join('\n'),
    );
  }
}

/** Remembers the files as they were read, after `checkConfigFiles` and before the first agent. */
export async function rememberConfigFiles(config: Config): Promise<void> {
  if (isGuarded(config)) await usingMemory(config, () => remember(config));
}

/** Throws `ERR_DIRECTORY_UNUSABLE` naming the directory: what is not remembered is not guarded. */
async function usingMemory<T>({ memoryDir }: Config, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const why = `TASK_LOGS_DIR: the state of the configuration files cannot be kept in ${memoryDir}: ${messageOf(error)}`;
    throw new TasktrailError('ERR_DIRECTORY_UNUSABLE', why, { cause: error });
  }
}

/** What to do about a changed file. */
export const CHANGED_ADVICE =
  'Look at it; then run "tasktrail config --accept" in the same directory, or save it again while no agent runs';

/** The files for which a start is refused, and what happened to each. Remembers nothing. */
export async function changedConfigFiles(
  config: Config,
): Promise<readonly { readonly path: string; readonly what: string }[]> {
  if (!isGuarded(config)) return [];
  return (await findChanges(config)).map(({ path, atMs, directory }) => ({
    path,
    what: `changed at ${isoFromMs(atMs)}, while an agent ran that works in ${directory}`,
  }));
}

/**
 * Remembers the files as they are, whatever changed them. Throws `ERR_CONFLICT` while an agent runs on this machine: it
 * could change them again.
 */
export async function acceptConfigFiles(config: Config): Promise<void> {
  const memory = new ConfigMemory(config.memoryDir);
  for (const { name, runs } of await memory.listRuns()) {
    const isOpen = runs.spans.some(([, toMs]) => toMs === null);
    const hasAgents = isOpen && (await runsIn(agentFolder(runs.log_dir))).some(hasProcesses);
    if (isOpen && (hasAgents || isProcessAlive(runs.process) === true))
      throw new TasktrailError(
        'ERR_CONFLICT',
        `an agent runs in ${runs.directories.join(' and ')}: accept the files when it has ended`,
      );
    // Nothing tells when these agents ended; they have, or work on another machine.
    if (isOpen)
      await memory.writeRuns(name, {
        ...runs,
        spans: runs.spans.map(([from, to]) => [from, to ?? Date.now()]),
      });
  }
  await remember(config);
}

/** Without recording nothing is written to a directory that does not exist. */
function isGuarded(config: Config): boolean {
  return config.enabled || existsSync(config.memoryDir);
}

async function remember(config: Config): Promise<void> {
  // On a first start this makes the log directory.
  setFileMode(config.fileMode);
  const memory = new ConfigMemory(config.memoryDir);
  const files = Object.fromEntries(config.configFiles.map(({ path, sha256 }) => [path, sha256 ?? null]));
  await memory.writeAccepted({ directory: config.directory, accepted_at_ms: Date.now(), files });
  await memory.forgetRuns((owner) => isProcessAlive(owner) === true);
}

async function findChanges(config: Config): Promise<readonly Change[]> {
  const windows = await readWindows(config);
  if (windows.length === 0) return [];
  const accepted = await new ConfigMemory(config.memoryDir).readAccepted(config.directory);
  const now = new Map(config.configFiles.map(({ path, sha256 }) => [path, sha256 ?? null]));
  // A file that is no longer looked for, but exists, is not read: its content decides nothing.
  for (const path of Object.keys(accepted?.files ?? {}))
    if (!now.has(path) && !existsSync(path)) now.set(path, null);
  const changes: Change[] = [];
  for (const [path, sha256] of now) {
    if (sha256 === (accepted?.files[path] ?? null)) continue;
    const change = changeWithin(path, config.directory, windows);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** The latest change of a file that falls into a window of its directory. */
function changeWithin(path: string, serviceDir: string, windows: readonly Window[]): Change | undefined {
  const places = [realDirectory(dirname(existing(path))), realDirectory(existing(path)), dirname(path)];
  const times = changeTimes(path, serviceDir);
  for (const { directories, fromMs, toMs } of windows) {
    const directory = directories.find((dir) => places.some((place) => isWithin(place, dir)));
    if (directory === undefined) continue;
    const atMs = times.find((time) => time >= fromMs - TICK_MS && time <= toMs + TICK_MS);
    if (atMs !== undefined) return { path, atMs, directory };
  }
  return undefined;
}

/**
 * Times of change of the inodes, which no program can set: of the file, of its link, and of the folders that exist for it
 * alone. Where it is gone, that of the folder that lost it.
 */
function changeTimes(path: string, serviceDir: string): readonly number[] {
  const times: number[] = [];
  const note = (read: () => Stats): void => {
    try {
      times.push(read().ctimeMs);
    } catch {
      // ENOENT: a link without a target, or no file.
    }
  };
  note(() => lstatSync(path));
  note(() => statSync(path));
  if (times.length === 0) note(() => statSync(dirname(existing(path))));
  for (let dir = dirname(path); isOwnFolder(dir, serviceDir); dir = dirname(dir)) {
    note(() => lstatSync(dir));
    note(() => statSync(dir));
  }
  return times.toSorted((a, b) => b - a);
}

/** `.fractary` and the folders in it. The others hold other files, too, and change all the time. */
function isOwnFolder(dir: string, serviceDir: string): boolean {
  const parts = relative(serviceDir, dir).split(sep);
  return parts.includes('.fractary') && dir !== dirname(dir) && basename(dir) !== '';
}

/** The path, or the nearest one above it that exists, with a name in it. */
function existing(path: string): string {
  let found = path;
  while (!existsSync(dirname(found)) && dirname(found) !== found) found = dirname(found);
  return found;
}

function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith(sep) ? dir : dir + sep);
}

async function readWindows(config: Config): Promise<readonly Window[]> {
  const memory = new ConfigMemory(config.memoryDir);
  const windows: Window[] = [];
  for (const { runs } of await memory.listRuns()) {
    for (const [fromMs, toMs] of runs.spans) {
      const end = toMs ?? (await endOfOpen(runs, fromMs));
      windows.push({ directories: runs.directories, fromMs, toMs: end });
    }
  }
  return windows;
}

/** When the agents of a process were gone, as far as that is known; Infinity while it is not. */
async function endOfOpen({ process: owner, log_dir: logDir }: AgentRuns, fromMs: number): Promise<number> {
  if (isProcessAlive(owner) !== false) return Number.POSITIVE_INFINITY;
  // The first part of the start names the boot: nothing outlives it.
  if (owner.start.split('-')[0] !== ownIdentity().start.split('-')[0])
    return Math.max(fromMs, Date.now() - uptime() * 1_000);
  // Not that of this start: a changed file may name another one.
  const folder = agentFolder(logDir);
  // It changes when the last run of an agent is removed from it. Without it nothing tells the end.
  const ends = [fromMs, mtimeMs(folder) ?? Number.POSITIVE_INFINITY];
  for (const run of await runsIn(folder)) {
    if (hasProcesses(run)) return Number.POSITIVE_INFINITY;
    // Without an exit code nothing tells the end.
    ends.push(mtimeMs(run.exitFile) ?? Number.POSITIVE_INFINITY);
  }
  return Math.max(...ends);
}

async function runsIn(folder: string): Promise<readonly RunFolder[]> {
  const runs: RunFolder[] = [];
  for (const taskId of await foldersIn(folder))
    for (const name of await foldersIn(join(folder, taskId)))
      runs.push(new RunFolder(join(folder, taskId, name)));
  return runs;
}

function hasProcesses(run: RunFolder): boolean {
  const child = readMark(run.directory)?.child;
  const runId = run.readFacts()?.runId;
  return (
    (child && isProcessAlive(child) === true) || (runId !== undefined && findRunProcesses(runId).length > 0)
  );
}

function mtimeMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}
