import { ask } from './child.mjs';
import { withPaths } from './collector-path.mjs';
import { quantile, times } from './figures.mjs';

const LINES_A_SECOND = 100;
const LINES = 2_000;
const WARM_UP_LINES = 1_000;
const DELAY_MS_MAX = 1_000;

/** Delay from the app's timestamp, taken just before it records a line, to the line in the file of its task. */
export async function benchDelay(program) {
  const straight = await delaysOf(program, 'nothing');
  const through = await delaysOf(program, 'all');
  const row = (share, aim) => {
    const [late, least] = [quantile(through, share), quantile(straight, share)];
    return {
      what: `line recorded to readable, ${LINES_A_SECOND}/s, through the collector / direct, p${share * 100}`,
      ratio: times(late / least),
      absolute: `${late.toFixed(0)} ms / ${least.toFixed(0)} ms`,
      ...(aim !== undefined && { aim: `below ${aim} ms`, met: late < aim }),
    };
  };
  return [row(0.5), row(0.99, DELAY_MS_MAX)];
}

async function delaysOf(program, name) {
  const delays = [];
  await withPaths(program, [name], async (paths) => {
    const { processes, output } = paths[name];
    const warmUp = ask(processes.app, { lines: WARM_UP_LINES });
    await output.follow(WARM_UP_LINES, () => {});
    await warmUp;
    const asked = ask(processes.app, { lines: LINES, perSecond: LINES_A_SECOND });
    await output.follow(LINES, (line) => {
      delays.push(Date.now() - Number(/ at (\d+);/.exec(line)?.[1]));
    });
    await asked;
  });
  return delays;
}
