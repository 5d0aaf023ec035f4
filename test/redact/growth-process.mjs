import { pathToFileURL } from 'node:url';
import { hostileTexts } from './hostile-texts.mjs';

/**
 * Prints what grows faster than its text. Argument: the folder of the built package. CPU time, not the clock: other
 * processes do not count. A text that seems to grow is measured again, on longer texts.
 */
const [dist] = process.argv.slice(2);
const { RULES } = await import(pathToFileURL(`${dist}/redact/rules/all.js`).href);
const { redact, redactJson } = await import(pathToFileURL(`${dist}/redact/redact.js`).href);

const GROWTH_MAX = 2.3;
/** Below this a figure is noise. */
const CPU_MS_MIN = 6;
const LENGTH = 16 * 1024;
const LENGTH_MAX = 2 * 1024 * 1024;

const hints = RULES.flatMap(({ hints: list }) => list.map((hint) => hint.replace(/\[(.)[^\]]*\]/g, '$1')));
const slow = [];
let count = 0;
for (const [name, build] of hostileTexts(hints)) {
  for (const [how, run] of [
    ['redact', (length) => redactOf(build(length))],
    ['redactJson', (length) => jsonOf(build(length))],
  ]) {
    count += 1;
    const growth = growthOf(run);
    if (growth > GROWTH_MAX) slow.push(`${how} ${JSON.stringify(name)}: ${growth.toFixed(2)}`);
  }
}
console.log(JSON.stringify({ count, slow }));

function redactOf(text) {
  return () => redact(text);
}

function jsonOf(text) {
  const json = JSON.stringify({ a: text, text: [text] });
  return () => redactJson(json);
}

/** The smallest growth from one length to twice that length: a pattern that is not linear grows at each. */
function growthOf(run) {
  let smallest = Number.POSITIVE_INFINITY;
  let attempts = 0;
  for (let length = LENGTH; length <= LENGTH_MAX && attempts < 4; length *= 2) {
    const once = cpuMs(run(length), CPU_MS_MIN);
    // Quadratic time is far above this at the first length.
    if (once < CPU_MS_MIN) return 1;
    attempts += 1;
    const twice = cpuMs(run(2 * length));
    smallest = Math.min(smallest, twice / once);
    if (smallest <= GROWTH_MAX) return smallest;
  }
  return attempts === 0 ? 1 : smallest;
}

/** A time below `enough` is not measured again. */
function cpuMs(task, enough = 0) {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 2; round += 1) {
    const before = process.cpuUsage();
    task();
    const { user, system } = process.cpuUsage(before);
    fastest = Math.min(fastest, (user + system) / 1000);
    if (fastest < enough) break;
  }
  return fastest;
}
