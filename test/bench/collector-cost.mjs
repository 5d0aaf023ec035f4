import { performance } from 'node:perf_hooks';
import { ask } from './child.mjs';
import { withPaths } from './collector-path.mjs';
import { costOf } from './collector-process.mjs';
import { median, medianRatio, times } from './figures.mjs';

const LINES_A_ROUND = 15_000;
const ROUNDS = 4;
/** Until the JIT has compiled the code. */
const WARM_UP_ROUNDS = 1;
/** In the order of the data flow. */
const PROCESSES = ['app', 'collector', 'store'];

const LABELS = {
  store: 'app -> collector -> store',
  all: 'app -> collector with its archive of files and its metrics -> store',
};

/** Throughput, CPU time and memory with a collector in between, compared to sending directly to the store. */
export async function benchCost(program) {
  const figures = {};
  await withPaths(program, ['nothing', ...Object.keys(LABELS)], async (paths) => {
    for (const name of Object.keys(paths)) figures[name] = { rates: [], micros: {}, peaks: {} };
    for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
      for (const [name, path] of Object.entries(paths)) {
        const figure = await measureRound(path);
        if (round >= WARM_UP_ROUNDS) addRound(figures[name], figure);
      }
    }
  });
  return Object.keys(LABELS).flatMap((name) => rowsOf(LABELS[name], figures[name], figures.nothing));
}

async function measureRound({ processes, output }) {
  const before = await costsOf(processes);
  const start = performance.now();
  const asked = ask(processes.app, { lines: LINES_A_ROUND });
  await output.follow(LINES_A_ROUND, () => {});
  const rate = (LINES_A_ROUND * 1000) / (performance.now() - start);
  const { dropped } = await asked;
  if (Object.keys(dropped).length > 0) throw new Error(`dropped: ${JSON.stringify(dropped)}`);
  return { rate, before, after: await costsOf(processes) };
}

async function costsOf(processes) {
  const costs = {};
  for (const [name, process] of Object.entries(processes)) costs[name] = await costOf(process);
  return costs;
}

function addRound({ rates, micros, peaks }, { rate, before, after }) {
  rates.push(rate);
  for (const [name, { cpuSeconds, peakMb }] of Object.entries(after)) {
    const spent = ((cpuSeconds - before[name].cpuSeconds) * 1_000_000) / LINES_A_ROUND;
    micros[name] ??= [];
    micros[name].push(spent);
    peaks[name] = peakMb;
  }
}

function rowsOf(label, through, straight) {
  const rate = ({ rates }) => `${(median(rates) / 1000).toFixed(1)}k/s`;
  const spent = ({ micros }) => each(micros, (values) => mean(values).toFixed(0));
  const sum = (values) => Object.values(values).reduce((total, value) => total + value, 0);
  const total = ({ micros }) => sum(Object.values(micros).map(mean));
  const peaks = (figure) => each(figure.peaks, (mb) => `${mb.toFixed(0)} MB`);
  return [
    {
      what: `lines recorded to stored: ${label} / app -> store`,
      ratio: times(medianRatio(through.rates, straight.rates)),
      absolute: `${rate(through)} / ${rate(straight)}`,
    },
    {
      what: '... CPU seconds per million lines',
      ratio: times(total(through) / total(straight)),
      absolute: `${spent(through)} / ${spent(straight)}`,
    },
    {
      what: '... peak memory',
      ratio: times(sum(through.peaks) / sum(straight.peaks)),
      absolute: `${peaks(through)} / ${peaks(straight)}`,
    },
  ];
}

function each(values, format) {
  const present = PROCESSES.filter((name) => name in values);
  return present.map((name) => `${name} ${format(values[name])}`).join(', ');
}

/** The mean over all rounds: the kernel counts CPU time in steps of 10 ms, which is coarse for a single round. */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
