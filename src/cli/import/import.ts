import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type Config, loadConfig } from '../../config/config.ts';
import { errnoOf, messageOf, TasktrailError } from '../../errors.ts';
import { journalDir } from '../../journal/lone-record.ts';
import { parseSegmentName } from '../../journal/segment-name.ts';
import { addressOfTenant, tenantProblem } from '../../model/tenant.ts';
import { type CheckOptions, compare, explain, filesSide, rowsSide } from '../../move/check.ts';
import { LogDirectory } from '../../move/files/log-directory.ts';
import { ToFiles } from '../../move/files/to-files.ts';
import { type GroupOptions, inGroups, retrying } from '../../move/groups.ts';
import { MoveReport } from '../../move/move-report.ts';
import { RowStore } from '../../move/rows/row-store.ts';
import { ToRows } from '../../move/rows/to-rows.ts';
import type { Unit } from '../../move/unit.ts';
import { findHolder } from '../../store/lock.ts';
import { readableNamesIn } from '../../system/files/optional-files.ts';
import { lockDirectory } from '../../trail/holder.ts';
import { VictoriaLogs } from '../../warehouse/client.ts';
import { useRedactRules } from '../redact-rules.ts';
import { StopSignals } from '../stop-signals.ts';
import { say } from '../terminal/say.ts';
import { printReport } from './import-report.ts';
import { Progress } from './progress.ts';

export interface ImportFlags {
  readonly from?: string;
  readonly to?: string;
  readonly check?: boolean;
  readonly merge?: boolean;
  readonly wait?: string;
  readonly json?: boolean;
  readonly config?: string;
}

/** Seconds for which VictoriaLogs may be away: longer than a restart takes. */
const WAIT_S = 120;
const WAIT_MAX_S = 86_400;

/** VictoriaLogs finds a line about a second after it was stored. */
const VISIBLE_MS = 2_500;

/** What is moved, and where to. */
interface Move {
  readonly config: Config;
  readonly logs: VictoriaLogs;
  readonly directory: LogDirectory;
  readonly isToFiles: boolean;
  readonly flags: ImportFlags;
  readonly report: MoveReport;
  readonly groups: Pick<GroupOptions, 'patienceMs' | 'signal' | 'report' | 'onWait'>;
}

/**
 * Copies all tasks, workflows and deliveries of a log directory to a VictoriaLogs or back, and compares both sides. Returns the exit
 * code: 1 when something differs or was left. Throws `ERR_DIRECTORY_HELD` while a process holds the directory.
 */
export async function importRecords(flags: ImportFlags): Promise<number> {
  const { address, dir, isToFiles } = placesIn(flags);
  const { config: configFile } = flags;
  const config = loadConfig({
    flags: { TASK_LOGS_DIR: dir },
    recordsOnly: true,
    isOfAllTenants: true,
    ...(configFile !== undefined && { configFile }),
  });
  const patienceMs = secondsIn(flags.wait) * 1_000;
  useRedactRules(config);
  const logs = new VictoriaLogs(ofTenant(address, config));
  const { logDir, workflowDir } = config;
  if ((!isToFiles || flags.check === true) && !existsSync(logDir))
    throw new TasktrailError('ERR_INPUT_INVALID', `there is no log directory ${logDir}`);
  await refuseHeld(logDir);
  const report = new MoveReport();
  const signals = new StopSignals();
  const stop = new AbortController();
  const groups = {
    ...{ patienceMs, report, signal: AbortSignal.any([signals.signal, stop.signal]) },
    onWait: (reason: string) => say(`${reason}: trying again`),
  };
  const directory = new LogDirectory({ logDir, workflowDir });
  const lock =
    flags.check === true
      ? undefined
      : await lockDirectory(config, (reason) => {
          say(reason);
          stop.abort();
        });
  try {
    const isWhole = await run({ config, logs, directory, isToFiles, flags, report, groups });
    if (!isWhole) {
      say('stopped: the same command goes on where it was');
      return 128 + constants.signals[signals.received ?? 'SIGTERM'];
    }
    return printReport(report, { isCheck: flags.check === true, isJson: flags.json === true });
  } catch (error) {
    throw explained(error, logDir);
  } finally {
    await lock?.release();
    signals.close();
  }
}

async function run(move: Move): Promise<boolean> {
  const { flags, groups, logs, directory, isToFiles, report } = move;
  await retrying(groups, () => logs.check());
  if (flags.check !== true) {
    if (!isToFiles) await noteJournal(directory.logDir);
    if (!(await copy(move))) return false;
    if (!isToFiles) await delay(VISIBLE_MS);
    for (const kind of Object.keys(report.units) as Unit['kind'][]) report.units[kind] = 0;
  }
  return check(move);
}

async function copy({ flags, groups, logs, directory, isToFiles, report }: Move): Promise<boolean> {
  const rows = new RowStore(logs);
  const mayMerge = flags.merge === true;
  const progress = new Progress(isToFiles ? 'read' : 'stored', () => report.stored + report.there);
  const onProgress = progress.show.bind(progress);
  if (!isToFiles) {
    const mover = new ToRows({ directory, logs, mayMerge, report });
    return inGroups({
      ...groups,
      ...{ units: (kind) => directory.units(kind), work: (kind, ids) => mover.move(kind, ids), onProgress },
    });
  }
  const mover = new ToFiles({ directory, rows, mayMerge, report });
  try {
    return await inGroups({
      ...groups,
      ...{ units: (kind) => rows.units(kind), work: (kind, ids) => mover.move(kind, ids), onProgress },
    });
  } finally {
    await mover.end();
  }
}

/** Reads both sides again. What differs is looked at once more, when all that was stored can be found. */
async function check({ groups, logs, directory, isToFiles, report }: Move): Promise<boolean> {
  const rows = new RowStore(logs);
  const files = filesSide(directory, report);
  const stored = rowsSide(rows);
  const [source, target] = isToFiles ? [stored, files] : [files, stored];
  const sides: CheckOptions = { source, target, report };
  const different: Unit[] = [];
  const progress = new Progress('compared', () => report.same);
  const isWhole = await inGroups({
    ...groups,
    units: (kind) => (isToFiles ? rows : directory).units(kind),
    work: async (kind, ids) => {
      for (const id of await compare(kind, ids, sides)) different.push({ kind, id });
    },
    onProgress: progress.show.bind(progress),
  });
  if (!isWhole) return false;
  if (different.length > 0) await delay(VISIBLE_MS);
  for (const unit of different) {
    if (groups.signal.aborted) return false;
    await retrying(groups, () => explain(unit, sides));
  }
  return true;
}

function placesIn({ from, to }: ImportFlags): { address: string; dir: string; isToFiles: boolean } {
  if (from === undefined || to === undefined)
    throw new TasktrailError('ERR_INPUT_INVALID', 'name both places: --from and --to');
  const isToFiles = isAddress(from);
  if (isToFiles === isAddress(to))
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      'one of --from and --to is a log directory, the other one the address of a VictoriaLogs such as victorialogs://127.0.0.1:9428',
    );
  return isToFiles ? { address: from, dir: to, isToFiles } : { address: to, dir: from, isToFiles };
}

function ofTenant(address: string, { tenant }: Config): string {
  const problem = tenantProblem(address, tenant);
  if (problem !== undefined) throw new TasktrailError('ERR_CONFIG_INVALID', `the address: ${problem}`);
  return addressOfTenant(address, tenant);
}

function isAddress(place: string): boolean {
  return /^[a-z+]+:\/\//i.test(place);
}

function secondsIn(wait: string | undefined): number {
  if (wait === undefined) return WAIT_S;
  const seconds = Number(wait);
  if (wait.trim() !== '' && seconds >= 0 && seconds <= WAIT_MAX_S) return seconds;
  throw new TasktrailError('ERR_INPUT_INVALID', `--wait: must be a number of seconds up to ${WAIT_MAX_S}`);
}

/** A holder adds lines meanwhile. */
async function refuseHeld(logDir: string): Promise<void> {
  const holder = await findHolder(logDir);
  if (holder !== undefined)
    throw new TasktrailError(
      'ERR_DIRECTORY_HELD',
      `${logDir} is held by process ${holder.pid} on ${holder.host}: stop it first`,
    );
}

async function noteJournal(logDir: string): Promise<void> {
  const names = await readableNamesIn(journalDir(logDir));
  if (names.some((name) => parseSegmentName(name) !== undefined))
    say('records wait in the journal and are not moved: "tasktrail send" stores them first');
}

function explained(error: unknown, logDir: string): unknown {
  if (error instanceof TasktrailError && error.retryable)
    return new TasktrailError(
      error.code,
      `${error.message}: what was moved stays, and the same command goes on when it is back`,
      { cause: error },
    );
  if (error instanceof TasktrailError || errnoOf(error) === undefined) return error;
  return new TasktrailError(
    'ERR_DIRECTORY_UNUSABLE',
    `${logDir}: ${messageOf(error)}: what was moved stays, and the same command goes on when this is mended`,
    { cause: error },
  );
}
