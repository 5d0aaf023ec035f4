import { messageOf } from '../errors.ts';
import { maskSecrets, redact } from '../redact/redact.ts';
import { checkAgentAccess } from './agent-user.ts';
import { checkAgentPrograms } from './agents.ts';
import { checkBacklog } from './backlog.ts';
import { checkBucket } from './bucket.ts';
import { checkChangedFiles } from './changed-files.ts';
import { checkClocks } from './clocks.ts';
import { checkDiskSpace } from './disk-space.ts';
import { checkEndpoint } from './endpoint.ts';
import { type Area, type Finding, problem, type Subject } from './finding.ts';
import { checkHolder } from './holder.ts';
import { checkKeptJobs } from './kept-jobs.ts';
import { checkLogDirectory } from './log-directory.ts';
import { checkNotifications } from './notifications.ts';
import { checkPorts } from './ports.ts';
import { checkRedis } from './redis.ts';
import { allSecretsOf } from './secrets.ts';
import { checkSettings, type Settings } from './settings.ts';
import { checkStore } from './store.ts';
import { checkTraceUrls } from './trace-urls.ts';
import { checkVersions } from './versions.ts';
import { checkWebhooks } from './webhooks.ts';

export interface FiledFinding extends Finding {
  readonly area: Area;
}

interface Check {
  readonly area: Area;
  /** Whether it is about files: where `TASK_LOGS_STORE_URL` is set there are none. */
  readonly isOfFiles?: true;
  readonly deadlineMs: number;
  run(subject: Subject): Promise<readonly Finding[]>;
}

/** A disk answers within milliseconds. One that does not, such as a network mount that hangs, is itself the finding. */
const DISK_MS = 2_000;

/** Two requests in sequence with a timeout of 1.5 s each, and some time for a busy machine. */
const NETWORK_MS = 5_000;

/** The checks run concurrently and are shown in this order. */
const CHECKS: readonly Check[] = [
  { area: 'settings', deadlineMs: DISK_MS, run: checkChangedFiles },
  { area: 'directory', isOfFiles: true, deadlineMs: DISK_MS, run: checkLogDirectory },
  { area: 'directory', isOfFiles: true, deadlineMs: DISK_MS, run: checkDiskSpace },
  { area: 'directory', isOfFiles: true, deadlineMs: NETWORK_MS, run: checkHolder },
  { area: 'directory', isOfFiles: true, deadlineMs: DISK_MS, run: checkBacklog },
  { area: 'directory', isOfFiles: true, deadlineMs: DISK_MS, run: checkKeptJobs },
  { area: 'store', deadlineMs: NETWORK_MS, run: checkStore },
  { area: 'ports', deadlineMs: NETWORK_MS, run: checkPorts },
  { area: 'endpoint', deadlineMs: NETWORK_MS, run: checkEndpoint },
  { area: 'redis', deadlineMs: NETWORK_MS, run: checkRedis },
  { area: 's3', deadlineMs: NETWORK_MS, run: checkBucket },
  { area: 'traces', deadlineMs: NETWORK_MS, run: checkTraceUrls },
  { area: 'webhooks', deadlineMs: DISK_MS, run: checkWebhooks },
  { area: 'notify', deadlineMs: DISK_MS, run: checkNotifications },
  { area: 'agents', deadlineMs: DISK_MS, run: checkAgentPrograms },
  // Each user and each folder is tried by a process of its own.
  { area: 'agents', deadlineMs: NETWORK_MS, run: checkAgentAccess },
];

export interface ExaminationOptions extends Settings {
  /** Of tasktrail. */
  readonly version: string;
}

/**
 * Checks the setup and changes nothing: requests over the network are reads, requests without records to OTLP and VictoriaLogs, and for Redis a
 * script whose keys are gone when it ends. Takes about
 * five seconds at most, even with unreachable servers. Findings contain no secret of the settings.
 */
export async function examine(options: ExaminationOptions): Promise<readonly FiledFinding[]> {
  const settings = checkSettings(options);
  const { config } = settings;
  const { env, cwd, version } = options;
  const subject =
    config === undefined ? undefined : { config, env, cwd, version, clocks: new Map<string, number>() };
  maskSecrets(allSecretsOf(env, config));
  const versions = filed('versions', checkVersions({ version, cwd }));
  const found =
    subject === undefined
      ? []
      : await Promise.all(
          CHECKS.filter(
            ({ isOfFiles }) => isOfFiles === undefined || subject.config.storeUrl === undefined,
          ).map((check) => runCheck(check, subject)),
        );
  const clocks = subject === undefined ? [] : filed('clock', checkClocks(subject.clocks));
  // The checks run without the invalid settings, so their "not set" would contradict the problem.
  const checked = found.flat().filter(({ level, where }) => level !== 'ok' || !settings.invalid.has(where));
  return [...versions, ...filed('settings', settings.findings), ...checked, ...clocks];
}

async function runCheck(check: Check, subject: Subject): Promise<readonly FiledFinding[]> {
  const { area, deadlineMs } = check;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    const what = `no result after ${deadlineMs / 1_000} s`;
    const advice = 'a disk, a name server or an address that it needs does not answer';
    timer = setTimeout(() => resolve([problem(area, what, advice)]), deadlineMs);
  });
  try {
    return filed(area, await Promise.race([check.run(subject), late]));
  } catch (error) {
    const advice = 'fix the cause in the message, and run tasktrail doctor again';
    return filed(area, [problem(area, `the check failed: ${messageOf(error)}`, advice)]);
  } finally {
    clearTimeout(timer);
  }
}

function filed(area: Area, findings: readonly Finding[]): readonly FiledFinding[] {
  return findings.map(({ level, where, what, advice }) => ({
    area,
    level,
    what: redact(what),
    where: redact(where),
    advice: advice === null ? null : redact(advice),
  }));
}
