import { destinationsOf, HOLDER } from '../../journal/destination.ts';
import { proveHolder } from '../../store/proven-holder.ts';
import type { ActiveTrail, Trail } from '../trail.ts';
import { type LeftRecordsTarget, signalUrls } from './send-left-records.ts';

/** Where records that agents left are sent by this process. */
export function leftRecordsTarget(trail: ActiveTrail): LeftRecordsTarget {
  const { config, books } = trail;
  return {
    locate: async () => {
      const receiver = await receiverOf(trail);
      if (receiver !== undefined) return signalUrls(receiver);
      // Without a holder here, as on another machine: the endpoint is all that there is.
      if (destinationsOf(config).includes(HOLDER)) return undefined;
      const { otlpEndpoint, otlpLogsEndpoint, otlpTracesEndpoint } = config;
      const urls = otlpEndpoint === undefined ? undefined : signalUrls(otlpEndpoint);
      const [logs, traces] = [otlpLogsEndpoint ?? urls?.logs, otlpTracesEndpoint ?? urls?.traces];
      return logs === undefined || traces === undefined ? undefined : { logs, traces };
    },
    token: (taskId) => trail.leftRecordsToken(taskId),
    onProblem: (reason) => books.setNotice('records of agents', reason),
  };
}

/** Base URL of the receiver of the log directory's holder: this process, or another one. Undefined without a holder. */
export async function receiverOf({
  config,
  otlpUrl,
}: Pick<Trail, 'config' | 'otlpUrl'>): Promise<string | undefined> {
  if (otlpUrl !== undefined) return otlpUrl;
  if (!destinationsOf(config).includes(HOLDER)) return undefined;
  try {
    const proof = await proveHolder(config.logDir, config.key);
    return proof.state === 'proven' ? (proof.holder.otlp_url ?? undefined) : undefined;
  } catch {
    // ENOENT, EACCES: the directory has no holder.
    return undefined;
  }
}
