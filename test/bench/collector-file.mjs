import { readdir, readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { endChild, nextLine, startChild, withTempDir } from './child.mjs';
import { createRequests, TASK_IDS } from './collector-bodies.mjs';
import { costOf, startCollector } from './collector-process.mjs';
import { times } from './figures.mjs';

const REQUESTS_A_ROUND = 40;
const ROUNDS = 5;
/** Until the JIT has compiled the store's code. */
const WARM_UP_ROUNDS = 2;
const IN_FLIGHT = 3;
const RATE_MIN = 1 / 3;

const TYPES = { json: 'application/json', protobuf: 'application/x-protobuf' };

/** The store compared to the collector's file exporter, which can also write a file per task. */
export async function benchFileExporter(program) {
  const rows = [];
  for (const on of ['record', 'resource']) {
    for (const encoding of ['protobuf', 'json']) {
      rows.push(await withTempDir((dir) => benchForm(dir, { program, encoding, on })));
    }
  }
  return rows;
}

/**
 * Sends the same requests to both, in alternating rounds. The store also checks ids, orders lines and masks secrets; the
 * collector only groups records by task and appends them.
 */
async function benchForm(dir, { program, encoding, on }) {
  const config = join(dir, 'collector.json');
  await writeFile(config, JSON.stringify(configOf(join(dir, 'grouped'), on)));
  const holder = startChild('otlp-holder-process.mjs', { dir });
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  let collector;
  const seconds = { store: 0, collector: 0 };
  let counted = 0;
  let sent = 0;
  try {
    const url = await nextLine(holder, (line) => line);
    collector = await startCollector(program, { config });
    for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
      const requests = createRequests(round, { count: REQUESTS_A_ROUND, encoding, on });
      const records = requests.reduce((sum, { records }) => sum + records, 0);
      sent += records;
      const measure = async (process, base) => {
        const before = await costOf(process);
        await sendAll(requests, { base, type: TYPES[encoding], agent });
        const { cpuSeconds } = await costOf(process);
        return cpuSeconds - before.cpuSeconds;
      };
      const own = await measure(holder, url);
      const other = await measure(collector, collector.url);
      if (round < WARM_UP_ROUNDS) continue;
      seconds.store += own;
      seconds.collector += other;
      counted += records;
    }
  } finally {
    agent.destroy();
    await Promise.all([endChild(holder), collector && endChild(collector)]);
  }
  checkCount('the store', await countStored(join(dir, 'logs')), sent);
  checkCount('the collector', await countGrouped(join(dir, 'grouped')), sent);
  // Summed over all rounds: the kernel counts CPU time in steps of 10 ms, which is coarse for a single round.
  const ratio = seconds.collector / seconds.store;
  const rate = (value) => `${(counted / value / 1000).toFixed(0)}k`;
  return {
    what: `records per CPU second, ${encoding}, task id on the ${on}: store / the collector's file exporter`,
    ratio: times(ratio),
    absolute: `${rate(seconds.store)} / ${rate(seconds.collector)}`,
    aim: `at least ${times(RATE_MIN)}`,
    met: ratio >= RATE_MIN,
  };
}

/** The collector's configuration as JSON, which is YAML. The exporter keeps the files of all tasks open. */
function configOf(dir, on) {
  const attribute = 'tasktrail.task.id';
  const file = (signal) => ({
    path: join(dir, signal, '*.jsonl'),
    create_directory: true,
    append: true,
    group_by: { enabled: true, resource_attribute: attribute, max_open_files: TASK_IDS.length },
  });
  const pipeline = (signal) => ({
    receivers: ['otlp'],
    processors: on === 'record' ? ['groupbyattrs'] : [],
    exporters: [`file/${signal}`],
  });
  return {
    receivers: { otlp: { protocols: { http: { endpoint: '127.0.0.1:0' } } } },
    processors: { groupbyattrs: { keys: [attribute] } },
    exporters: { 'file/logs': file('logs'), 'file/traces': file('traces') },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { logs: pipeline('logs'), traces: pipeline('traces') },
    },
  };
}

async function sendAll(requests, to) {
  const next = requests.values();
  const work = async () => {
    for (const item of next) await send(item, to);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

function send({ signal, bytes }, { base, type, agent }) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': bytes.length };
    const req = request(`${base}/v1/${signal}`, { method: 'POST', agent, headers }, (res) => {
      res.on('data', () => {});
      res.on('error', reject);
      res.on('end', () => {
        if (res.statusCode === 200) resolve();
        else reject(new Error(`a request failed with status ${res.statusCode}`));
      });
    });
    req.on('error', reject);
    req.end(bytes);
  });
}

/** Throws if records were lost: the figure would measure less work. */
function checkCount(who, written, sent) {
  if (written !== sent) throw new Error(`${who} wrote ${written} of ${sent} records`);
}

async function countStored(logDir) {
  let lines = 0;
  for (const id of TASK_IDS) {
    for (const name of ['03-agent-output.jsonl', 'trace.jsonl']) {
      lines += (await readFile(join(logDir, id, name), 'utf8')).split('\n').length - 1;
    }
  }
  return lines;
}

/** Counts records. Each line is a request with several of them. */
async function countGrouped(dir) {
  let records = 0;
  for (const signal of ['logs', 'traces']) {
    for (const name of await readdir(join(dir, signal))) {
      for (const line of (await readFile(join(dir, signal, name), 'utf8')).split('\n')) {
        if (line !== '') records += countRecords(JSON.parse(line));
      }
    }
  }
  return records;
}

function countRecords({ resourceLogs = [], resourceSpans = [] }) {
  const lists = [
    ...resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.map(({ logRecords }) => logRecords)),
    ...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.map(({ spans }) => spans)),
  ];
  return lists.reduce((sum, list) => sum + list.length, 0);
}
