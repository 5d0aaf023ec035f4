import type { Redis } from 'ioredis';
import { errnoOf, messageOf } from '../errors.ts';
import { queuePrefixOf } from '../model/tenant.ts';
import { placeOf } from '../queue/bullmq/redis-link.ts';
import { probeRedis } from '../queue/bullmq/redis-probe.ts';
import { type Refusal, refusalOf } from '../queue/redis-refusal.ts';
import { loadOptional } from '../system/optional-package.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';
import { ANSWER_MS } from './http-answer.ts';
import { explainFailure } from './network-failure.ts';

/** BullMQ requires the first version and recommends the second. */
const VERSION_MIN = [5, 0] as const;
const VERSION_LOW = [6, 2] as const;

/** Whether the Redis of the queue is reachable, accepts what the queue does, and does not discard jobs. */
export async function checkRedis({ config }: Subject): Promise<readonly Finding[]> {
  const { redisUrl: url } = config;
  // That is said for the store.
  if (url === undefined && config.storeUrl !== undefined) return [];
  if (url === undefined)
    return [ok('REDIS_URL', 'not set: the queue is in memory, which is enough for tasktrail start')];
  const where = `REDIS_URL ${placeOf(url)}`;
  const answers = await ask(url, queuePrefixOf(config.tenant));
  if ('error' in answers) return [explain(where, url, answers.error)];
  const { info, refusal } = answers;
  // A user of few rights has no INFO, and the queue needs none.
  const judged = info === undefined ? [ok(where, 'answers; this user has no INFO')] : judgeInfo(where, info);
  if (refusal === undefined) return judged;
  const refused = problem(where, refusal.what, refusal.advice);
  return [refused, ...judged.filter(({ level }) => level === 'warning')];
}

interface Answers {
  /** Undefined when this user may not run INFO. */
  readonly info: string | undefined;
  /** What the queue needs and Redis refuses. */
  readonly refusal: Refusal | undefined;
}

async function ask(url: string, prefix: string): Promise<Answers | { readonly error: unknown }> {
  const ioredis = await loadOptional('ioredis', () => import('ioredis'), 'REDIS_URL');
  const client: Redis = new ioredis.Redis(url, {
    lazyConnect: true,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // A Redis that is loading its data answers INFO.
    enableReadyCheck: false,
    enableOfflineQueue: false,
  });
  // The error of `connect` says only that the connection is closed; the first `error` event has the cause.
  let reason: unknown;
  client.on('error', (error: unknown) => {
    reason ??= error;
  });
  try {
    await client.connect();
    const info = await client.info().catch(unlessForbidden);
    return { info, refusal: await findRefusal(client, prefix) };
  } catch (error) {
    return { error: reason ?? error };
  } finally {
    client.disconnect();
  }
}

function unlessForbidden(error: unknown): undefined {
  if (refusalOf(error)?.isRight !== true) throw error;
  return undefined;
}

/** One script on keys that are gone when it ends: only a write shows whether writes are refused. */
async function findRefusal(client: Redis, prefix: string): Promise<Refusal | undefined> {
  return probeRedis(client, (type) => `${prefix}:agent:${type}`);
}

function explain(where: string, url: string, error: unknown): Finding {
  const message = messageOf(error);
  if (/WRONGPASS|invalid password|invalid username/i.test(message))
    return problem(where, 'it refuses the user or the password', 'correct them in REDIS_URL');
  if (/NOAUTH|Authentication required/i.test(message))
    return problem(where, 'it requires a password', 'set REDIS_URL=redis://:<password>@host:port');
  if (/RESP type|Protocol error/i.test(message))
    return problem(
      where,
      'the program that answers there is not Redis',
      'correct host and port in REDIS_URL',
    );
  const isSecure = url.startsWith('rediss:');
  const isLate = errnoOf(error) === 'ETIMEDOUT' || /timed out/i.test(message);
  if (isLate || (!isSecure && errnoOf(error) === 'ECONNRESET')) {
    const advice = isSecure
      ? 'use redis:// if the port has no TLS; otherwise check the address and the firewalls'
      : 'use rediss:// if the port requires TLS; otherwise check whether it hangs, the address and the firewalls';
    return problem(where, 'it does not answer in time', advice);
  }
  const { hostname: host } = new URL(url);
  const failure = { phase: 'connect', error } as const;
  const { what, advice } = explainFailure(failure, { host, certificateSetting: 'NODE_EXTRA_CA_CERTS' });
  return problem(where, what, advice);
}

/** Judges the output of `INFO`. Managed servers omit some fields: a missing field is not judged. */
export function judgeInfo(where: string, info: string): readonly Finding[] {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  const findings = [...judgeVersion(where, fields), ...judgeState(where, fields)];
  if (findings.some(({ level }) => level === 'problem')) return findings;
  return [ok(where, `answers, ${nameOf(fields)}`), ...findings];
}

type Fields = ReadonlyMap<string, string>;

function nameOf(fields: Fields): string {
  const valkey = fields.get('valkey_version');
  return valkey === undefined
    ? `Redis ${fields.get('redis_version') ?? 'of unknown version'}`
    : `Valkey ${valkey}`;
}

function judgeVersion(where: string, fields: Fields): readonly Finding[] {
  const version = fields.get('valkey_version') ?? fields.get('redis_version');
  if (version === undefined) return [];
  const advice = `install Redis ${VERSION_LOW.join('.')} or newer`;
  if (isBelow(version, VERSION_MIN))
    return [problem(where, `${nameOf(fields)} is too old for BullMQ`, advice)];
  return isBelow(version, VERSION_LOW)
    ? [warning(where, `${nameOf(fields)} is older than BullMQ recommends`, advice)]
    : [];
}

function isBelow(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}

function judgeState(where: string, fields: Fields): readonly Finding[] {
  const findings: Finding[] = [];
  const policy = fields.get('maxmemory_policy') ?? 'noeviction';
  if (policy !== 'noeviction') {
    const advice = 'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf';
    findings.push(warning(where, `maxmemory-policy is ${policy}: it may evict queued tasks`, advice));
  }
  if (fields.get('aof_enabled') === '0') {
    const advice = 'CONFIG SET appendonly yes; without it the service queues lost tasks again from the files';
    findings.push(warning(where, 'appendonly is off: a crash of Redis loses queued tasks', advice));
  }
  if (fields.get('role') === 'slave')
    findings.push(problem(where, 'it is a replica, which accepts no writes', 'set REDIS_URL to its primary'));
  if (fields.get('redis_mode') === 'cluster')
    findings.push(problem(where, 'it is a cluster, which the queue does not support', 'use a single Redis'));
  if (fields.get('loading') === '1')
    findings.push(warning(where, 'it is still loading its data', 'wait: the service uses it afterwards'));
  return findings;
}
