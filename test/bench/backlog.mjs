import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Books } from '../../dist/books.js';
import { Appender } from '../../dist/journal/appender.js';
import { endChild, nextLine, startChild, withTempDir } from './child.mjs';
import { times } from './figures.mjs';
import { sendAll } from './otlp.mjs';
import { createBodies, RECORDS_A_BODY } from './otlp-bodies.mjs';

/** Megabytes of the backlog. The figure of a day without a store is 1,000. */
const MEGABYTES = Number(process.env.BENCH_BACKLOG_MB ?? 60);

/** Bodies of one round over OTLP: their rate is what the store can do. */
const FRESH_BODIES = 60;
const FRESH_ROUNDS = 3;

const POLL_MS = 100;

/** A megabyte a second, on a machine that is busy with other work. */
const MS_MAX = 90_000 + MEGABYTES * 1_000;

/**
 * A backlog of a dead process, from the start of the holder until the journal is empty, against OTLP to an empty store. By the
 * CPU time of the holder: it reads and sends the backlog itself, and other work on the machine does not change the ratio.
 */
export async function benchBacklog() {
  const fresh = await withTempDir(measureFresh);
  return withTempDir(async (dir) => {
    const records = writeBacklog(join(dir, 'logs', '_journal'));
    const start = performance.now();
    const holder = startChild('otlp-holder-process.mjs', { dir, msMax: MS_MAX });
    try {
      await nextLine(holder, (line) => line);
      const rss = [];
      while (await waits(join(dir, 'logs', '_journal'))) {
        rss.push(residentMiB(holder.child.pid));
        await delay(POLL_MS);
      }
      const seconds = (performance.now() - start) / 1000;
      const cpu = (cpuSeconds(holder.child.pid) - fresh.startCpu) / records;
      const most = Math.max(...rss);
      const middle = Math.max(...rss.slice(0, Math.ceil(rss.length / 2)));
      return [
        {
          what: `records per CPU second, a backlog of ${MEGABYTES} MB / OTLP to an empty store`,
          ratio: times(fresh.cpu / cpu),
          absolute: `${perSecond(1 / cpu)} / ${perSecond(1 / fresh.cpu)}; by the clock ${perSecond(records / seconds)}, ${seconds.toFixed(0)} s / ${perSecond(fresh.rate)}`,
          aim: 'at least 0.8x',
          met: fresh.cpu / cpu >= 0.8,
        },
        {
          what: 'its memory, most / most in the first half',
          ratio: times(most / middle),
          absolute: `${most.toFixed(0)} MiB / ${middle.toFixed(0)} MiB`,
          aim: 'at most 1.2x',
          met: most / middle <= 1.2,
        },
      ];
    } finally {
      await endChild(holder);
    }
  });
}

async function measureFresh(dir) {
  const holder = startChild('otlp-holder-process.mjs', { dir });
  const agent = new Agent({ keepAlive: true });
  try {
    const url = await nextLine(holder, (line) => line);
    const startCpu = cpuSeconds(holder.child.pid);
    let best = 0;
    for (let round = 0; round < FRESH_ROUNDS; round += 1) {
      const bodies = createBodies(round, FRESH_BODIES, 'json');
      const start = performance.now();
      await sendAll(bodies, { url: `${url}/v1/logs`, type: 'application/json', agent });
      best = Math.max(best, (FRESH_BODIES * RECORDS_A_BODY * 1000) / (performance.now() - start));
    }
    const cpu = (cpuSeconds(holder.child.pid) - startCpu) / (FRESH_ROUNDS * FRESH_BODIES * RECORDS_A_BODY);
    return { rate: best, cpu, startCpu };
  } finally {
    agent.destroy();
    await endChild(holder);
  }
}

/** The same records as those over OTLP, in segments that their process has closed. Returns how many. */
function writeBacklog(directory) {
  const appender = new Appender({ directory, destinations: ['holder'], books: new Books(), fsync: 'never' });
  let [records, bytes] = [0, 0];
  for (let round = 100; bytes < MEGABYTES * 1e6; round += 1) {
    const [body] = createBodies(round, 1, 'json');
    const [{ resource, scopeLogs }] = JSON.parse(body).resourceLogs;
    const source = { resource, scope: scopeLogs[0].scope };
    for (const record of scopeLogs[0].logRecords)
      appender.append(source, { kind: 'L', json: JSON.stringify(record) });
    appender.flush();
    records += RECORDS_A_BODY;
    bytes += body.length;
  }
  appender.close();
  releaseAll(directory);
  return records;
}

function releaseAll(directory) {
  for (const name of readdirSync(directory))
    renameSync(join(directory, name), join(directory, name.replace(/\.open$/, '.closed')));
}

async function waits(directory) {
  return (await readdir(directory).catch(() => [])).some((name) => /\.(closed|claimed)$/.test(name));
}

function perSecond(rate) {
  return `${(rate / 1000).toFixed(0)}k/s`;
}

/** User and system time of a process, in seconds. The kernel counts in hundredths. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** /proc: Linux only, as the figures of the other parts. */
function residentMiB(pid) {
  const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}
