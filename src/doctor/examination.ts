import { messageOf } from '../errors.ts';
import { maskSecrets, redact } from '../redact/redact.ts';
import { lookAtAgents } from './agents.ts';
import { lookAtBacklog } from './backlog.ts';
import { lookAtBucket } from './bucket.ts';
import { lookAtClocks } from './clocks.ts';
import { lookAtSpace } from './disk-space.ts';
import { lookAtEndpoint } from './endpoint.ts';
import { type Area, type Finding, problem, type Subject } from './finding.ts';
import { lookAtHolder } from './holder.ts';
import { lookAtDirectory } from './log-directory.ts';
import { lookAtPorts } from './ports.ts';
import { lookAtRedis } from './redis.ts';
import { secretsOf } from './secrets.ts';
import { lookAtSettings, type Settings } from './settings.ts';
import { lookAtTraceUrls } from './trace-urls.ts';
import { lookAtVersions } from './versions.ts';
import { lookAtWebhooks } from './webhooks.ts';

export interface FiledFinding extends Finding {
  readonly area: Area;
}

interface Check {
  readonly area: Area;
  readonly deadlineMs: number;
  look(subject: Subject): Promise<readonly Finding[]>;
}

/** A disk that answers at all does so in milliseconds; one that does not (a network mount) is itself the finding. */
const DISK_MS = 2_000;

/** Two questions, one after the other, of 1.5 s each; the rest is for a machine that is busy. */
const NETWORK_MS = 5_000;

/** One row a check; all of them run side by side, and are shown in this order. */
const CHECKS: readonly Check[] = [
  { area: 'directory', deadlineMs: DISK_MS, look: lookAtDirectory },
  { area: 'directory', deadlineMs: DISK_MS, look: lookAtSpace },
  { area: 'directory', deadlineMs: NETWORK_MS, look: lookAtHolder },
  { area: 'directory', deadlineMs: DISK_MS, look: lookAtBacklog },
  { area: 'ports', deadlineMs: NETWORK_MS, look: lookAtPorts },
  { area: 'endpoint', deadlineMs: NETWORK_MS, look: lookAtEndpoint },
  { area: 'redis', deadlineMs: NETWORK_MS, look: lookAtRedis },
  { area: 's3', deadlineMs: NETWORK_MS, look: lookAtBucket },
  { area: 'traces', deadlineMs: NETWORK_MS, look: lookAtTraceUrls },
  { area: 'webhooks', deadlineMs: DISK_MS, look: lookAtWebhooks },
  { area: 'agents', deadlineMs: DISK_MS, look: lookAtAgents },
];

export interface ExaminationOptions extends Settings {
  /** Of tasktrail. */
  readonly version: string;
}

/**
 * Looks at everything that setups break on, and changes nothing: what is asked over the network is read, or is an OTLP
 * request with nothing in it. Takes about five seconds at the most, whatever is away. No finding holds a
 * secret of the settings.
 */
export async function examine(options: ExaminationOptions): Promise<readonly FiledFinding[]> {
  const settings = lookAtSettings(options);
  const { config } = settings;
  const { env, cwd, version } = options;
  const subject =
    config === undefined ? undefined : { config, env, cwd, version, clocks: new Map<string, number>() };
  maskSecrets(secretsOf(env, config));
  const versions = filed('versions', lookAtVersions({ version, cwd }));
  const found = subject === undefined ? [] : await Promise.all(CHECKS.map((check) => run(check, subject)));
  const clocks = subject === undefined ? [] : filed('clock', lookAtClocks(subject.clocks));
  return [...versions, ...filed('settings', settings.findings), ...found.flat(), ...clocks];
}

async function run(check: Check, subject: Subject): Promise<readonly FiledFinding[]> {
  const { area, deadlineMs } = check;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    const what = `nothing is known after ${deadlineMs / 1_000} s`;
    const advice = 'something that it depends on (a disk, a name server, an address) does not answer';
    timer = setTimeout(() => resolve([problem(area, what, advice)]), deadlineMs);
  });
  try {
    return filed(area, await Promise.race([check.look(subject), late]));
  } catch (error) {
    const advice = 'mend what the message names, and look again';
    return filed(area, [problem(area, `could not be looked at: ${messageOf(error)}`, advice)]);
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
