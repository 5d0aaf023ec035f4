import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { endChild, nextLine, startChild } from './child.mjs';

const WAIT_MS_MAX = 600_000;

/** Calls `use` with a running service whose log directory is `logs` in `dir`. */
export async function withService(dir, use) {
  const started = startChild('../../dist/cli/main.js', { dir, args: ['start'], msMax: 2 * WAIT_MS_MAX });
  try {
    const urls = {};
    await nextLine(started, (line) => {
      urls.otlp ??= /OTLP +(http:\S+)/.exec(line)?.[1];
      urls.ready ??= /health\s+(http:\S+)/.exec(line)?.[1];
      return urls.ready !== undefined && /^ {2}(?:writes to|sends to) /.test(line) ? true : undefined;
    });
    return await use({
      url: urls.ready.replace(/\/readyz$/, ''),
      otlpUrl: urls.otlp,
      pid: started.child.pid,
    });
  } finally {
    await endChild(started);
  }
}

export async function readJson(url) {
  const response = await fetch(url);
  return response.ok ? response.json() : undefined;
}

export async function until(check, what) {
  const end = Date.now() + WAIT_MS_MAX;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await delay(50);
  }
}

const REST_MS = 1_000;
const REST_SHARE_MAX = 0.1;
/** Of `utime` and `stime` in /proc/<pid>/stat. Linux has had no other value for its users. */
const TICK_MS = 10;

/** Waits until a process has rested for a second. */
export async function untilIdle(pid) {
  const end = Date.now() + WAIT_MS_MAX;
  for (let before = cpuMs(pid); ; ) {
    await delay(REST_MS);
    const now = cpuMs(pid);
    if (now - before < REST_MS * REST_SHARE_MAX) return;
    if (Date.now() > end) throw new Error('the service does not rest');
    before = now;
  }
}

function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name of the program, which may have spaces: state is the third field, utime the fourteenth.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
