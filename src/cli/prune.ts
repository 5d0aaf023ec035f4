import { existsSync } from 'node:fs';
import { type Config, loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { sizeText } from '../model/size-text.ts';
import { type PruneItem, type PruneOptions, planPrune, runRetention } from '../store/keep/retention.ts';
import { Tombstones } from '../store/keep/tombstones.ts';
import type { DirectoryLock } from '../store/lock.ts';
import { lockDirectory } from '../trail/holder.ts';
import { isUploadedBy, uploadsOf } from '../trail/uploads.ts';
import { refuseInVictoriaLogs } from './open-records.ts';
import { say } from './terminal/say.ts';
import { type Column, createTable } from './terminal/table.ts';
import { createPaint, escapeJson, escapeText } from './terminal/terminal-text.ts';

const DAY_MS = 86_400_000;

/** Each row names one thing to remove, so no column is left out or cut. */
const COLUMNS: readonly Column[] = [
  { title: 'KIND', rank: 0 },
  { title: 'ID', rank: 0 },
  { title: 'AGE', rank: 0, align: 'right' },
  { title: 'SIZE', rank: 0, align: 'right' },
];

/** The plan of a dry run, or what was done. */
interface Report {
  readonly isDryRun: boolean;
  readonly items: readonly PruneItem[];
  /** Tasks whose large files are gzipped, or would be. */
  readonly compress: readonly string[];
  readonly kept: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Removes tasks and workflows that are older than their retention, or lists them. Returns the exit code: 1 when a removal
 * failed. Throws `ERR_DIRECTORY_HELD` while a service holds the directory, because the service prunes it; a dry run works.
 */
export async function prune(
  flags: Readonly<Record<string, string | undefined>>,
  configFile: string | undefined,
  { dryRun, json }: { readonly dryRun: boolean; readonly json: boolean },
): Promise<number> {
  const config = loadConfig({ flags, withoutService: true, ...(configFile !== undefined && { configFile }) });
  refuseInVictoriaLogs(config, {
    ...{ dir: flags.TASK_LOGS_DIR, command: 'prune' },
    advice: 'its retention is -retentionPeriod of VictoriaLogs',
  });
  const nowMs = Date.now();
  const options = pruneOptions(config, nowMs);
  const report = dryRun ? await plan(options) : await run(config, options);
  process.stdout.write(
    json
      ? `${escapeJson(JSON.stringify(asJson(report, config, nowMs)))}\n`
      : escapeText(asText(report, config, nowMs)),
  );
  // On standard error, with --json as well: standard output is for programs.
  for (const line of [...report.kept, ...report.problems]) say(line);
  return report.problems.length > 0 ? 1 : 0;
}

function pruneOptions(config: Config, nowMs: number): PruneOptions {
  const { logDir, workflowDir, retentionDays, workflowRetentionDays, compressDays } = config;
  const options = { logDir, workflowDir, compressDays, nowMs };
  const days = { taskDays: retentionDays, workflowDays: workflowRetentionDays };
  const isUploaded = isUploadedBy(config, uploadsOf(config));
  return { ...options, ...days, ...(isUploaded !== undefined && { isUploaded }) };
}

async function plan(options: PruneOptions): Promise<Report> {
  return { isDryRun: true, ...(await planPrune(options)), problems: [] };
}

async function run(config: Config, options: PruneOptions): Promise<Report> {
  // Taking the lock would create the directory.
  if (!existsSync(config.logDir)) return { isDryRun: false, items: [], compress: [], kept: [], problems: [] };
  const lock = await takeDirectory(config);
  try {
    const tombstones = await Tombstones.open(config.logDir);
    const isStopped = (): boolean => !lock.isHeld;
    const { pruned, compressed, kept, problems } = await runRetention({ ...options, tombstones, isStopped });
    return { isDryRun: false, items: pruned, compress: compressed, kept, problems };
  } finally {
    await lock.release();
  }
}

async function takeDirectory(config: Config): Promise<DirectoryLock> {
  try {
    return await lockDirectory(config, () => undefined);
  } catch (error) {
    if (!(error instanceof TasktrailError) || error.code !== 'ERR_DIRECTORY_HELD') throw error;
    throw new TasktrailError(
      error.code,
      `${error.message}\nThat process prunes it at its start and then hourly; --dry-run lists what would be removed`,
      { cause: error },
    );
  }
}

function asJson(report: Report, config: Config, nowMs: number): object {
  return {
    dry_run: report.isDryRun,
    log_dir: config.logDir,
    items: report.items.map((item) => ({
      kind: item.kind,
      id: item.id,
      ended_at: item.endedAt,
      age_days: ageDays(item, nowMs),
      bytes: item.bytes,
      path: item.path,
    })),
    bytes: bytesOf(report.items),
    compress: report.compress,
    kept: report.kept,
    problems: report.problems,
  };
}

function asText({ isDryRun, items, compress }: Report, config: Config, nowMs: number): string {
  const rows = items.map((item) => [
    { text: item.kind },
    { text: item.id },
    { text: `${ageDays(item, nowMs)} days` },
    { text: sizeText(item.bytes) },
  ]);
  const table = createTable(COLUMNS, rows, { width: undefined, paint: createPaint(false) });
  const verb = isDryRun ? 'would be removed' : 'removed';
  const total =
    items.length === 0 ? 'nothing to remove' : `${items.length} ${verb}, ${sizeText(bytesOf(items))}`;
  const gzipped =
    compress.length === 0 ? '' : `; ${compress.length} task(s) ${isDryRun ? 'would be ' : ''}gzipped`;
  const rule = `tasks after ${config.retentionDays} days, workflows after ${config.workflowRetentionDays}`;
  return `${rows.map((cells) => `${table.row(cells)}\n`).join('')}${total}${gzipped} (${config.logDir}: ${rule})\n`;
}

function ageDays({ endedAt }: PruneItem, nowMs: number): number {
  return Math.floor((nowMs - Date.parse(endedAt)) / DAY_MS);
}

function bytesOf(items: readonly PruneItem[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}
