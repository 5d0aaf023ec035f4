import { existsSync } from 'node:fs';
import { loadConfig } from '../../config/config.ts';
import { TasktrailError } from '../../errors.ts';
import { checkWorkflowId } from '../../model/ids.ts';
import { type Finding, findingJson, findingText, isNote } from '../../store/keep/verify/finding.ts';
import { type Verified, type VerifyOptions, verifyDirectory } from '../../store/keep/verify/verify.ts';
import { findHolder } from '../../store/lock.ts';
import { createReader, type LogReader } from '../../store/read/reader.ts';
import { refuseInVictoriaLogs } from '../open-records.ts';
import { readPastTime } from '../past-time.ts';
import { pickTask } from '../task-pick.ts';
import { TerminalStream } from '../terminal/terminal-stream.ts';
import { escapeJson, escapeLine } from '../terminal/terminal-text.ts';
import { verifyOwnFiles } from './own-files.ts';
import { verifyObjects } from './s3-objects.ts';

export interface VerifyFlags {
  readonly dir?: string;
  readonly config?: string;
  readonly since?: string;
  readonly until?: string;
  readonly workflow?: string;
  readonly s3?: boolean;
  readonly json?: boolean;
}

/**
 * Holds the files of the log directory against each other and prints what is wrong, one line each. Changes nothing, and works
 * beside a running service. Returns the exit code: 1 when something is wrong.
 */
export async function verify(wanted: string | undefined, flags: VerifyFlags): Promise<number> {
  const { config: configFile } = flags;
  const config = loadConfig({
    flags: { TASK_LOGS_DIR: flags.dir },
    ...(flags.s3 === true ? { withoutService: true } : { recordsOnly: true }),
    ...(configFile !== undefined && { configFile }),
  });
  refuseInVictoriaLogs(config, {
    ...{ dir: flags.dir, command: 'verify' },
    advice: 'it checks its rows itself, and "tasktrail import --check" compares them with a log directory',
  });
  const { logDir, workflowDir } = config;
  if (!existsSync(logDir))
    throw new TasktrailError('ERR_INPUT_INVALID', `there is no log directory ${logDir}: --dir names another`);
  const out = new TerminalStream(1);
  const notes: string[] = [];
  let findings = 0;
  const waiting: Finding[] = [];
  const print = async (): Promise<void> => {
    for (const finding of waiting.splice(0)) {
      if (!isNote(finding)) findings += 1;
      if (flags.json === true) await out.write(`${escapeJson(JSON.stringify(findingJson(finding)))}\n`);
      else if (isNote(finding)) notes.push(findingText(finding));
      else await out.write(`${escapeLine(findingText(finding))}\n`);
    }
  };
  const add = (finding: Finding): void => void waiting.push(finding);
  const isHeld = (await findHolder(logDir)) !== undefined;
  const range = await rangeOf({ logDir, reader: createReader(logDir) }, wanted, flags);
  const counts = await verifyDirectory({ logDir, workflowDir, isHeld, ...range }, add);
  if (range.wantsTask === undefined && range.wantsWorkflow === undefined) await verifyOwnFiles(logDir, add);
  if (flags.s3 === true) await verifyObjects(config, add, range.wantsWorkflow);
  await print();
  for (const note of notes) await out.write(`note: ${escapeLine(note)}\n`);
  if (flags.json !== true) await out.write(`${escapeLine(summaryOf(counts, findings, logDir))}\n`);
  return findings === 0 ? 0 : 1;
}

type Range = Pick<VerifyOptions, 'wantsTask' | 'wantsWorkflow'>;

async function rangeOf(
  source: { readonly logDir: string; readonly reader: LogReader },
  wanted: string | undefined,
  { since, until, workflow }: VerifyFlags,
): Promise<Range> {
  const isRange = since !== undefined || until !== undefined;
  if ([wanted !== undefined, workflow !== undefined, isRange].filter(Boolean).length > 1)
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      'name a task, a workflow (--workflow) or a time (--since, --until), not two of them',
    );
  if (workflow !== undefined) {
    checkWorkflowId(workflow);
    if ((await source.reader.readWorkflow(workflow)) === undefined)
      throw notFound(`workflow ${workflow}`, source.logDir);
    return { wantsWorkflow: async (id) => id === workflow };
  }
  if (wanted !== undefined) {
    const task = await pickTask(source, wanted);
    if (task === undefined) throw notFound(`task ${wanted}`, source.logDir);
    return { wantsTask: async (id) => id === task };
  }
  if (!isRange) return {};
  const now = Date.now();
  const from = since === undefined ? '' : readPastTime('--since', since, now);
  const to = until === undefined ? '~' : readPastTime('--until', until, now);
  return {
    wantsTask: async (id) => {
      // A task whose metadata cannot be read may be in the range.
      const metadata = await source.reader.readDocument(id, 'metadata').catch(() => undefined);
      const at = metadata?.created_at;
      return typeof at !== 'string' || (at >= from && at < to);
    },
  };
}

function notFound(what: string, logDir: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `there is no ${what} in ${logDir}`);
}

function summaryOf({ tasks, workflows, days }: Verified, findings: number, logDir: string): string {
  const parts = [`${tasks} task(s)`, `${workflows} workflow(s)`, `${days} day(s) of deliveries and events`];
  const outcome = findings === 0 ? 'nothing is wrong' : `${findings} finding(s)`;
  return `${outcome}: ${parts.join(', ')} in ${logDir}`;
}
