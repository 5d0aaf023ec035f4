import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { ask, endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { median, medianRatio, times } from './figures.mjs';
import { createBodies, RECORDS_A_BODY } from './otlp-bodies.mjs';

const BODIES_A_ROUND = 60;
const ROUNDS = 5;
const WARM_UP_ROUNDS = 2;

/** Concurrent requests, so that the receiver does not wait for a sender to prepare its next body. */
const IN_FLIGHT = 3;

const TYPES = { json: 'application/json', protobuf: 'application/x-protobuf' };

/** Records per second from the socket to the files of the tasks, compared to parsing and appending the same bodies. */
export async function benchOtlp() {
  const rows = [];
  for (const encoding of ['json', 'protobuf']) {
    rows.push(await withTempDir((dir) => benchEncoding(dir, encoding)));
  }
  return rows;
}

async function benchEncoding(dir, encoding) {
  const holder = startChild('otlp-holder-process.mjs', { dir });
  const env = settings(dir, { TASK_LOGS_DIR: `${dir}/baseline` });
  const baseline = startChild('otlp-baseline-process.mjs', { dir, env });
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  try {
    const url = await nextLine(holder, (line) => line);
    const rates = { holder: [], baseline: [] };
    for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
      const { ms } = await ask(baseline, { round, count: BODIES_A_ROUND });
      const bodies = createBodies(round, BODIES_A_ROUND, encoding);
      const start = performance.now();
      await sendAll(bodies, { url: `${url}/v1/logs`, type: TYPES[encoding], agent });
      const holderMs = performance.now() - start;
      if (round < WARM_UP_ROUNDS) continue;
      const records = BODIES_A_ROUND * RECORDS_A_BODY;
      rates.baseline.push((records * 1000) / ms);
      rates.holder.push((records * 1000) / holderMs);
    }
    const ratio = medianRatio(rates.holder, rates.baseline);
    const k = (values) => `${(median(values) / 1000).toFixed(0)}k/s`;
    return {
      what: `OTLP records, socket to files, ${encoding} / parse, stringify and append`,
      ratio: times(ratio),
      absolute: `${k(rates.holder)} / ${k(rates.baseline)}`,
      aim: 'at least 0.6x',
      met: ratio >= 0.6,
    };
  } finally {
    agent.destroy();
    await Promise.all([endChild(holder), endChild(baseline)]);
  }
}

export async function sendAll(bodies, to) {
  const next = bodies.values();
  const work = async () => {
    for (const body of next) await send(body, to);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

function send(body, { url, type, agent, authorization }) {
  return new Promise((resolve, reject) => {
    const headers = {
      ...{ 'content-type': type, 'content-length': body.length },
      ...(authorization !== undefined && { authorization }),
    };
    const req = request(url, { method: 'POST', agent, headers }, (res) => {
      let bytes = 0;
      res.on('data', (chunk) => {
        bytes += chunk.length;
      });
      res.on('error', reject);
      // A body longer than `{}` is a partial success: records were rejected, and the figure would measure less work.
      res.on('end', () => {
        if (res.statusCode === 200 && bytes <= 2) resolve();
        else reject(new Error(`the receiver answered ${res.statusCode} and ${bytes} bytes`));
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}
