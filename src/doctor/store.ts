import type { Config } from '../config/config.ts';
import { placeOf } from '../queue/bullmq/redis-link.ts';
import { placeOfLease } from '../service/warehouse/lease/once-only.ts';
import { leaseKey, readLeaseHolder } from '../service/warehouse/lease/redis-lease.ts';
import { loadOptional } from '../system/optional-package.ts';
import { VictoriaLogs } from '../warehouse/client.ts';
import { readServerState } from '../warehouse/server-state.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';
import { ANSWER_MS } from './http-answer.ts';

/** The version of the tests. */
const TESTED = '1.52';

const NAME = 'TASK_LOGS_STORE_URL';

/** Whether the VictoriaLogs of `tasktrail serve` answers and takes rows, and which service does what is done once. */
export async function checkStore(subject: Subject): Promise<readonly Finding[]> {
  const { storeUrl } = subject.config;
  if (storeUrl === undefined) return [];
  const [server, lease] = await Promise.all([checkServer(subject, storeUrl), checkLease(subject, storeUrl)]);
  return [...server, ...lease];
}

async function checkServer({ clocks }: Subject, storeUrl: string): Promise<readonly Finding[]> {
  const logs = new VictoriaLogs(storeUrl, { insertMs: ANSWER_MS, silenceMs: ANSWER_MS });
  const where = `${NAME} ${logs.name}`;
  const state = await readServerState(logs);
  const { version, freeBytes, isReadOnly, aheadMs } = state;
  // Its address stands before it.
  const [writing, reading] = [state.writing, state.reading].map((text) =>
    text?.replace(`VictoriaLogs at ${logs.name}: `, ''),
  );
  if (aheadMs !== null) clocks.set(logs.name, aheadMs);
  if (isReadOnly === true)
    return [
      problem(where, 'its disk is full: it takes no records', 'add a node, or shorten -retentionPeriod'),
    ];
  if (writing !== undefined && reading !== undefined)
    return [
      problem(where, writing, 'start VictoriaLogs, or correct the address; senders keep their records'),
    ];
  if (writing !== undefined)
    return [
      problem(
        where,
        `it takes no records: ${writing}`,
        'see its log: its disk may be full, or a proxy leads elsewhere',
      ),
    ];
  if (reading !== undefined)
    return [
      problem(
        where,
        `it answers no queries: ${reading}`,
        'start vlselect and all storage nodes; records are taken',
      ),
    ];
  const { tenant } = placeOfLease(storeUrl);
  const named = version === null ? 'VictoriaLogs, which does not say its version' : `VictoriaLogs ${version}`;
  const free = freeBytes === null ? '' : `, ${Math.round(freeBytes / 1_073_741_824)} GiB free`;
  const found = ok(where, `answers, ${named}, takes records of tenant ${tenant}${free}`);
  if (version === null || version.startsWith(`${TESTED}.`)) return [found];
  return [found, warning(where, `it is ${version}`, `tasktrail is tested with ${TESTED}`)];
}

async function checkLease({ config, clocks }: Subject, storeUrl: string): Promise<readonly Finding[]> {
  const { redisUrl: url } = config;
  if (url === undefined)
    return [
      warning(
        'REDIS_URL',
        `not set: no webhooks, and no service ${onceText(config)}`,
        'set it to one Redis for all services and workers',
      ),
    ];
  const where = `the lease in Redis at ${placeOf(url)}`;
  const { prefix, tenant } = placeOfLease(storeUrl);
  const asked = await askRedis(url, leaseKey(prefix));
  // Why it does not answer is said for the queue.
  if (asked === undefined) return [];
  clocks.set(`Redis at ${placeOf(url)}`, asked.aheadMs);
  const holder = readLeaseHolder(asked.value);
  if (holder === undefined)
    return [
      warning(
        where,
        `no service holds it: none ${onceText(config)}`,
        'start "tasktrail serve" with this store; one that was killed is replaced within 12 seconds',
      ),
    ];
  const own = `${new VictoriaLogs(storeUrl).name}/${tenant}`;
  if (holder.store !== own)
    return [
      problem(
        where,
        `it is held for the store ${holder.store}, and this one is ${own}`,
        'give each store a Redis database of its own, and all services one address',
      ),
    ];
  return [ok(where, `held by ${holder.by} since ${holder.since}`)];
}

function onceText({ s3, notify }: Config): string {
  const more = [
    ...(notify.length > 0 ? ['sends notifications'] : []),
    ...(s3 === undefined ? [] : ['uploads to S3']),
  ];
  return ['ends silent tasks', 'completes lost spans', 'counts what ends', ...more].join(', ');
}

/** `aheadMs`: our clock, of that of Redis. Undefined without an answer. */
async function askRedis(
  url: string,
  key: string,
): Promise<{ readonly value: string | null; readonly aheadMs: number } | undefined> {
  const ioredis = await loadOptional('ioredis', () => import('ioredis'), 'REDIS_URL');
  const client = new ioredis.Redis(url, {
    lazyConnect: true,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableOfflineQueue: false,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const [seconds = 0, micros = 0] = (await client.time()).map(Number);
    return { value: await client.get(key), aheadMs: Date.now() - (seconds * 1_000 + micros / 1_000) };
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}
