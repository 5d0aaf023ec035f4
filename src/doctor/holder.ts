import { join } from 'node:path';
import { parseObject } from '../model/json.ts';
import { OWN_NAMES } from '../store/layout.ts';
import type { LockRecord } from '../store/lock.ts';
import { proveHolder } from '../store/proven-holder.ts';
import { readText } from '../system/durable.ts';
import { lstatIfPresent } from '../system/files/optional-files.ts';
import { kindOf } from '../system/files/own-file.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';
import { askHttp, isAnswer } from './http-answer.ts';
import { explainFailure } from './network-failure.ts';

const EMPTY = Buffer.from('{}');

/** Which process holds the log directory, and whether it accepts records of this one. */
export async function checkHolder({ config }: Subject): Promise<readonly Finding[]> {
  if (!config.enabled || !config.store) return [];
  const path = join(config.logDir, OWN_NAMES.lock);
  const proof = await proveHolder(config.logDir, config.key);
  if (proof.state === 'absent') return [await checkStaleLock(path)];
  if (proof.state === 'proven') return [await checkReceiver(path, proof.holder, proof.token)];
  const advice = 'if no tasktrail runs there, the file was changed: remove it';
  return [problem(path, `${proof.reason}; until then records of other processes wait in _journal`, advice)];
}

async function checkReceiver(path: string, holder: LockRecord, token: string): Promise<Finding> {
  const holderText = `held by process ${holder.pid} on ${holder.host}`;
  const { otlp_url: url } = holder;
  if (typeof url !== 'string' || !URL.canParse(url)) return ok(path, `${holderText}, which is starting`);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const answer = await askHttp({ url: `${url}/v1/logs`, body: EMPTY, headers });
  const records = 'records of other processes wait in _journal';
  if (!isAnswer(answer)) {
    const { hostname: host } = new URL(url);
    const { what } = explainFailure(answer, { host, certificateSetting: 'NODE_EXTRA_CA_CERTS' });
    const advice = 'if it hangs or runs in a container: stop it, and start one that is reachable from here';
    return problem(path, `${holderText}; its receiver at ${url}: ${what}: ${records}`, advice);
  }
  if (answer.status === 401 || answer.status === 403) {
    const advice =
      'restart the process that holds the directory: it was started with another key (TASK_LOGS_KEY, _key)';
    return problem(path, `${holderText}, which refuses our token: ${records}`, advice);
  }
  if (answer.status === 503) {
    const advice = 'check the space on its disk, and /readyz of the service';
    return problem(path, `${holderText}, which cannot store now: ${records}`, advice);
  }
  if (answer.status !== 200) {
    const advice =
      'wait ten seconds and run this again; if it persists, restart the process that holds the directory';
    return problem(
      path,
      `${holderText}; at ${url} something else answers (${answer.status}): ${records}`,
      advice,
    );
  }
  return ok(path, `${holderText}, which takes records at ${url}`);
}

/** There is no holder: the lock file is stale, missing, or no file. */
async function checkStaleLock(path: string): Promise<Finding> {
  const stats = await lstatIfPresent(path);
  if (stats === undefined) return ok(path, 'no process holds the directory: tasktrail start would');
  if (!stats.isFile())
    return problem(path, `is ${kindOf(stats)}, so no process can hold the directory`, 'remove it');
  const holderText = ownerIn((await readText(path)) ?? '');
  const seconds = Math.max(0, Math.round((Date.now() - stats.mtimeMs) / 1_000));
  const advice = 'tasktrail start takes it over; until then records wait in _journal';
  return warning(path, `left by ${holderText}, last seen ${seconds} s ago and not alive`, advice);
}

function ownerIn(text: string): string {
  const lock = parseObject(text);
  if (typeof lock?.pid === 'number' && typeof lock.host === 'string')
    return `process ${lock.pid} on ${lock.host}`;
  return 'another program, or a process that was killed while it wrote the file';
}
