import { existsSync } from 'node:fs';
import { objectKey } from '../archive/object-key.ts';
import { type Config, loadConfig } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import { sizeText } from '../model/size-text.ts';
import { type PruneItem, type PruneOptions, planPrune, runRetention } from '../store/keep/retention.ts';
import { Tombstones } from '../store/keep/tombstones.ts';
import { WorkflowUploads } from '../store/keep/workflow-uploads.ts';
import type { DirectoryLock } from '../store/lock.ts';
import { WorkflowPlaces } from '../store/workflow-place.ts';
import { lockDirectory } from '../trail/holder.ts';

const DAY_MS = 86_400_000;

/** What was found or done, for printing. */
interface Report {
  readonly isDryRun: boolean;
  readonly items: readonly PruneItem[];
  /** Tasks whose large files are, or would be, gzipped. */
  readonly compress: readonly string[];
  readonly kept: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Removes what is older than its retention, or lists it. Returns the exit code: 1 when something could not be removed.
 * Throws `ERR_DIRECTORY_HELD` while a service has the directory, which does the same by itself; a dry run does not mind.
 */
export async function prune(
  flags: Readonly<Record<string, string | undefined>>,
  configFile: string | undefined,
  { dryRun, json }: { readonly dryRun: boolean; readonly json: boolean },
): Promise<number> {
  const config = loadConfig({ flags, ...(configFile !== undefined && { configFile }) });
  const nowMs = Date.now();
  const options = pruneOptions(config, nowMs);
  const report = dryRun ? await look(options) : await run(config, options);
  process.stdout.write(
    json ? `${JSON.stringify(asJson(report, config, nowMs))}\n` : asText(report, config, nowMs),
  );
  // With --json as well: the lines are for whoever looks on.
  for (const line of [...report.kept, ...report.problems]) process.stderr.write(`tasktrail: ${line}\n`);
  return report.problems.length > 0 ? 1 : 0;
}

function pruneOptions(config: Config, nowMs: number): PruneOptions {
  const { logDir, workflowDir, retentionDays, workflowRetentionDays, compressDays, s3 } = config;
  const options = { logDir, workflowDir, compressDays, nowMs };
  const days = { taskDays: retentionDays, workflowDays: workflowRetentionDays };
  if (s3 === undefined) return { ...options, ...days };
  const uploads = new WorkflowUploads(new WorkflowPlaces(workflowDir), {
    bucket: s3.bucket,
    keyOf: (id, filed) => objectKey(s3.prefix, id, filed),
  });
  return { ...options, ...days, isUploaded: (id) => uploads.isUploaded(id) };
}

async function look(options: PruneOptions): Promise<Report> {
  return { isDryRun: true, ...(await planPrune(options)), problems: [] };
}

async function run(config: Config, options: PruneOptions): Promise<Report> {
  // To take it would make it.
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
      `${error.message}\nIt prunes by itself, at its start and then hourly; --dry-run lists what would go`,
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
    item.kind,
    item.id,
    `${ageDays(item, nowMs)} days`,
    sizeText(item.bytes),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    ),
  );
  const verb = isDryRun ? 'would go' : 'removed';
  const total =
    items.length === 0
      ? `nothing ${isDryRun ? 'would go' : 'to remove'}`
      : `${items.length} ${verb}, ${sizeText(bytesOf(items))}`;
  const gzipped =
    compress.length === 0 ? '' : `; ${compress.length} task(s) ${isDryRun ? 'would be ' : ''}gzipped`;
  const rule = `tasks after ${config.retentionDays} days, workflows after ${config.workflowRetentionDays}`;
  return `${lines.map((cells) => `${cells.join('  ')}\n`).join('')}${total}${gzipped} (${config.logDir}: ${rule})\n`;
}

function ageDays({ endedAt }: PruneItem, nowMs: number): number {
  return Math.floor((nowMs - Date.parse(endedAt)) / DAY_MS);
}

function bytesOf(items: readonly PruneItem[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}
