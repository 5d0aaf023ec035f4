import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { settings, withTempDir } from './child.mjs';
import { median, medianRatio, times } from './figures.mjs';

const AT_ONCE = 200;
const ROUNDS = 2;
const LOOP = 20;
const LOOP_ROUNDS = 3;

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const EVENT = ['emit', 'step_start', 'workflow-1-20260102T030405Z', '{"phase":"a","step":{"name":"b"}}'];

/** Duration of `tasktrail emit`, compared to starting Node with an empty script. */
export async function benchEmit() {
  return withTempDir(async (dir) => {
    const empty = join(dir, 'empty.mjs');
    await writeFile(empty, '');
    const atOnce = { emit: [], empty: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      atOnce.empty.push(await timed(() => startMany(dir, [empty])));
      atOnce.emit.push(await timed(() => startMany(dir, [MAIN, ...EVENT])));
    }
    const segments = await readdir(join(dir, 'logs', '_journal'));
    if (segments.length !== AT_ONCE * ROUNDS) throw new Error(`${segments.length} events were recorded`);
    const loop = { emit: [], empty: [] };
    for (let round = 0; round < LOOP_ROUNDS; round += 1) {
      loop.empty.push(await timed(() => runLoop(dir, [empty])));
      loop.emit.push(await timed(() => runLoop(dir, [MAIN, ...EVENT])));
    }
    const ratio = medianRatio(atOnce.emit, atOnce.empty);
    const seconds = (values) => `${(median(values) / 1000).toFixed(1)} s`;
    const rate = (values) => `${((LOOP * 1000) / median(values)).toFixed(1)}/s`;
    const one = median(loop.emit) / LOOP;
    return [
      {
        what: `${AT_ONCE} emits at once / ${AT_ONCE} empty node scripts`,
        ratio: times(ratio),
        absolute: `${seconds(atOnce.emit)} / ${seconds(atOnce.empty)}`,
        aim: 'at most 2x',
        met: ratio <= 2,
      },
      {
        what: 'sequential emits in a shell loop / empty node scripts',
        ratio: times(medianRatio(loop.emit, loop.empty)),
        absolute: `${rate(loop.emit)}, ${one.toFixed(0)} ms each / ${rate(loop.empty)}`,
        aim: 'below 300 ms each',
        met: one < 300,
      },
    ];
  });
}

async function timed(fn) {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

async function startMany(dir, args) {
  await Promise.all(Array.from({ length: AT_ONCE }, () => ended(process.execPath, args, dir)));
}

async function runLoop(dir, args) {
  const script = 'n=$1; shift; while [ "$n" -gt 0 ]; do "$@" || exit 1; n=$((n - 1)); done';
  await ended('sh', ['-c', script, 'sh', String(LOOP), process.execPath, ...args], dir);
}

async function ended(program, args, dir) {
  const child = spawn(program, args, {
    cwd: dir,
    env: settings(dir),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`);
}
