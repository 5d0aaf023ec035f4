import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quantile, times } from './figures.mjs';
import { memoryMb, openedMs, pageMemoryMb, withTab } from './page-chromium.mjs';
import { readJson, until, untilIdle, withService } from './page-service.mjs';
import { sendTrace, traceBodies } from './trace-bodies.mjs';

/** A Python that has the package `arize-phoenix`. */
const PYTHON =
  process.env.BENCH_PHOENIX_PYTHON ??
  join(homedir(), '.cache', 'tasktrail-test', 'phoenix', 'bin', 'python3');

/** Fewer than the other rows have: of 20,000 the page of Phoenix shows none for minutes. */
const SPANS = 2_000;
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const ID = 'task-trace';
const ROUNDS = 3;
const MEMORY_SHARE_MAX = 1 / 3;

/** The same trace, sent over OTLP to us and to Phoenix, in the same browser. */
export async function peerRows(dir, chromium) {
  if (!existsSync(PYTHON)) {
    process.stderr.write(
      'bench: skipped: Phoenix is not there: install arize-phoenix into a virtual environment and name its Python in BENCH_PHOENIX_PYTHON\n',
    );
    return [];
  }
  const startMs = Date.now() - 3_600_000;
  const bodies = traceBodies({ spans: SPANS, taskId: ID, traceId: TRACE_ID, startMs });
  const own = await withService(dir, (service) => measureOwn(service, { bodies, chromium }));
  const peer = await withPhoenix(dir, (service) => measurePhoenix(service, { bodies, chromium }));
  return [
    ratioRow(`page: ${SPANS} spans until they can be used / Phoenix`, own.opened, peer.opened, {
      unit: 'ms',
      max: 1,
    }),
    ratioRow('page: memory of the page with them / Phoenix', own.page, peer.page, {
      unit: 'MB',
      max: MEMORY_SHARE_MAX,
    }),
    ratioRow('page: memory of the server behind it / Phoenix', own.server, peer.server, {
      unit: 'MB',
      max: MEMORY_SHARE_MAX,
    }),
  ];
}

async function measureOwn({ url, otlpUrl, pid }, { bodies, chromium }) {
  await sendTrace(`${otlpUrl}/v1/traces`, bodies);
  await until(async () => (await readJson(`${url}/api/tasks/${ID}/trace`))?.length === SPANS, 'the spans');
  return measure(chromium, { pid, address: `${url}/tasks/${ID}`, ready: '.span-row' });
}

async function measurePhoenix({ url, pid }, { bodies, chromium }) {
  await sendTrace(`${url}/v1/traces`, bodies);
  const project = (await readJson(`${url}/v1/projects`)).data[0].id;
  const query = `{ node(id: "${project}") { ... on Project { recordCount } } }`;
  const ask = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  };
  const isStored = async () =>
    (await (await fetch(`${url}/graphql`, ask)).json()).data?.node?.recordCount === SPANS;
  await until(isStored, 'the spans of Phoenix');
  const address = `${url}/projects/${project}/traces/${TRACE_ID}`;
  return measure(chromium, { pid, address, ready: '[data-testid="trace-tree"] .span-node-wrap' });
}

/** Medians: milliseconds until the rows of the spans are drawn, megabytes of the page and of the server. */
async function measure(chromium, { pid, address, ready }) {
  const [opened, page] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    await untilIdle(pid);
    await withTab(chromium, async (tab) => {
      opened.push(await openedMs(tab, address, ready));
      page.push(await pageMemoryMb(tab));
    });
  }
  return { opened: quantile(opened, 0.5), page: quantile(page, 0.5), server: memoryMb(pid) };
}

function ratioRow(what, own, peer, { unit, max }) {
  return {
    what,
    ratio: times(own / peer),
    absolute: `${own.toFixed(0)} ${unit} / ${peer.toFixed(0)} ${unit}`,
    aim: max === 1 ? '< 1x' : '<= 1/3',
    met: own / peer <= max,
  };
}

async function withPhoenix(dir, use) {
  const [port, grpcPort] = await freePorts(2);
  const child = spawn(PYTHON, ['-m', 'phoenix.server.main', 'serve'], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      HOME: dir,
      PHOENIX_WORKING_DIR: join(dir, 'phoenix'),
      PHOENIX_HOST: '127.0.0.1',
      PHOENIX_PORT: String(port),
      PHOENIX_GRPC_PORT: String(grpcPort),
      PHOENIX_TELEMETRY_ENABLED: 'false',
    },
    stdio: 'ignore',
  });
  const exit = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error('Phoenix ended early');
      return (await fetch(`${url}/healthz`).catch(() => undefined))?.ok;
    }, 'Phoenix');
    return await use({ url, pid: child.pid });
  } finally {
    child.kill('SIGTERM');
    await exit;
  }
}

/** Taken all at once, so that they differ. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
