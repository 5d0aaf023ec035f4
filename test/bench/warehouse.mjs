import { readdir, stat } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { endChild, withTempDir } from './child.mjs';
import { cpuMsOf } from './core-share.mjs';
import { times } from './figures.mjs';
import { sendAll } from './otlp.mjs';
import { createBodies, RECORDS_A_BODY } from './otlp-bodies.mjs';
import { findVictoriaLogs } from './victoria-logs.mjs';
import { readRows } from './warehouse-reads.mjs';
import { AUTHORIZATION, startService, withStore } from './warehouse-store.mjs';

const BODIES = 120;
const WARM_UP_BODIES = 40;
const SERVICES = [1, 2, 4];
const GROWTH_MIN = 1.6;

/**
 * Records into VictoriaLogs beside files, and what is read from many tasks and from a long one. Only the second with
 * `BENCH_PART=read`.
 */
export async function benchWarehouse() {
  const program = await findVictoriaLogs();
  if (program === undefined) return [{ what: 'VictoriaLogs cannot be built here', ratio: '', absolute: '-' }];
  const rows = process.env.BENCH_PART === 'read' ? [] : await writeRows(program);
  rows.push(...(await withTempDir((dir) => withStore(dir, program, 1, readRows))));
  return rows;
}

async function writeRows(program) {
  const files = await withTempDir((dir) => writeIntoFiles(dir));
  const stores = [];
  for (const count of SERVICES)
    stores.push(await withTempDir((dir) => withStore(dir, program, count, writeIntoStore)));
  return [writeRow(files, stores[0]), ...growthRows(stores)];
}

async function writeIntoFiles(dir) {
  const service = await startService(dir, ['start']);
  try {
    const written = await measureWrite([service], [service.started.child.pid]);
    return { ...written, bytes: (await sizeOf(join(dir, 'logs'))) / written.records };
  } finally {
    await endChild(service.started);
  }
}

async function writeIntoStore({ services, logs, data }) {
  const pids = [logs.pid, ...services.map(({ started }) => started.child.pid)];
  const written = await measureWrite(services, pids);
  // It writes to its disk every five seconds.
  await delay(7_000);
  return { ...written, bytes: (await sizeOf(data)) / written.records };
}

/** `records` and `bytes` count the warm-up too: it is stored with the rest. */
async function measureWrite(services, pids) {
  const agent = new Agent({ keepAlive: true });
  try {
    await sendShared(services, createBodies(0, WARM_UP_BODIES, 'protobuf'), agent);
    const bodies = createBodies(1, BODIES, 'protobuf');
    const [start, cpuBefore] = [performance.now(), await cpuOf(pids)];
    await sendShared(services, bodies, agent);
    const seconds = (performance.now() - start) / 1_000;
    const cpuSeconds = ((await cpuOf(pids)) - cpuBefore) / 1_000;
    const records = BODIES * RECORDS_A_BODY;
    return {
      rate: records / seconds,
      cpuRate: records / cpuSeconds,
      records: (BODIES + WARM_UP_BODIES) * RECORDS_A_BODY,
    };
  } finally {
    agent.destroy();
  }
}

async function sendShared(services, bodies, agent) {
  const shares = services.map((_, index) => bodies.filter((_body, at) => at % services.length === index));
  await Promise.all(
    services.map(({ otlpUrl }, index) =>
      sendAll(shares[index], {
        url: `${otlpUrl}/v1/logs`,
        type: 'application/x-protobuf',
        agent,
        authorization: AUTHORIZATION,
      }),
    ),
  );
}

async function cpuOf(pids) {
  return (await Promise.all(pids.map(cpuMsOf))).reduce((sum, ms) => sum + ms, 0);
}

function writeRow(files, store) {
  return {
    what: 'records per CPU second into VictoriaLogs (both programs) / into files',
    ratio: times(store.cpuRate / files.cpuRate),
    absolute: `${k(store.cpuRate)}/s, ${store.bytes.toFixed(0)} bytes a record / ${k(files.cpuRate)}/s, ${files.bytes.toFixed(0)} bytes`,
  };
}

function growthRows(stores) {
  return stores.slice(1).map((store, index) => {
    const growth = store.rate / stores[index].rate;
    const [before, after] = [SERVICES[index], SERVICES[index + 1]];
    return {
      what: `records per second with ${after} services on one storage / with ${before}`,
      ratio: times(growth),
      absolute: `${k(store.rate)}/s / ${k(stores[index].rate)}/s, sender and storage on the same cores`,
      aim: `at least ${GROWTH_MIN}x until the cores are full`,
      met: growth >= GROWTH_MIN,
    };
  });
}

function k(value) {
  return `${(value / 1_000).toFixed(1)}k`;
}

async function sizeOf(path) {
  let bytes = 0;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  return bytes;
}
