import { Agent } from 'node:http';
import { performance } from 'node:perf_hooks';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { median, medianRatio, times } from './figures.mjs';
import { sendAll } from './otlp.mjs';
import { createBodies, RECORDS_A_BODY } from './otlp-bodies.mjs';

const MODES = ['never', 'interval', 'always'];
const BODIES_A_ROUND = 60;
const ROUNDS = 7;
const WARM_UP_ROUNDS = 2;

/** What `TASK_LOGS_FSYNC` costs: OTLP requests to a holder, and recording a line. */
export async function benchFsync() {
  return [...(await withTempDir(benchRequests)), ...(await withTempDir(benchLines))];
}

async function benchRequests(dir) {
  const holders = MODES.map((mode) => {
    const env = settings(dir, { TASK_LOGS_DIR: `${dir}/${mode}`, TASK_LOGS_FSYNC: mode });
    return startChild('otlp-holder-process.mjs', { dir, env });
  });
  try {
    const urls = [];
    for (const holder of holders) urls.push(await nextLine(holder, (line) => line));
    const rates = { never: [], interval: [], always: [] };
    for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
      const bodies = createBodies(round, BODIES_A_ROUND, 'json');
      for (const [index, mode] of MODES.entries()) {
        // Of its own: a holder closes a connection that was idle while the others had their turn.
        const agent = new Agent({ keepAlive: true });
        const start = performance.now();
        await sendAll(bodies, { url: `${urls[index]}/v1/logs`, type: 'application/json', agent });
        const ms = performance.now() - start;
        agent.destroy();
        if (round >= WARM_UP_ROUNDS) rates[mode].push((BODIES_A_ROUND * RECORDS_A_BODY * 1000) / ms);
      }
    }
    const k = (mode) => `${(median(rates[mode]) / 1000).toFixed(0)}k/s`;
    return ['always', 'interval'].map((mode) => {
      const ratio = medianRatio(rates[mode], rates.never);
      return {
        what: `OTLP records, TASK_LOGS_FSYNC ${mode} / never`,
        ratio: times(ratio),
        absolute: `${k(mode)} / ${k('never')}`,
        aim: 'at least 0.8x',
        met: ratio >= 0.8,
      };
    });
  } finally {
    await Promise.all(holders.map((holder) => endChild(holder)));
  }
}

async function benchLines(dir) {
  const child = startChild('fsync-record-process.mjs', { dir });
  try {
    const micros = JSON.parse(await nextLine(child, (line) => line));
    const us = (mode) => `${median(micros[mode]).toFixed(1)} us`;
    return ['always', 'interval'].map((mode) => ({
      what: `append a record, TASK_LOGS_FSYNC ${mode} / never`,
      ratio: times(medianRatio(micros[mode], micros.never)),
      absolute: `${us(mode)} / ${us('never')}`,
    }));
  } finally {
    await endChild(child);
  }
}
