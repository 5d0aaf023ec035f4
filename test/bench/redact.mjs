import { pathToFileURL } from 'node:url';
import { redact, redactJson } from '../../dist/redact/redact.js';
import { RULES } from '../../dist/redact/rules/all.js';
import { hostileTexts, proseText } from '../redact/hostile-texts.mjs';
import { times } from './figures.mjs';
import { ordinaryTexts } from './redact-texts.mjs';

const MIB = 1024 * 1024;
/** Of a text that an attacker writes. Quadratic time would yield a ratio in the thousands. */
const HOSTILE_RATIO_MAX = 200;
/** Of the time of an earlier version. */
const EARLIER_RATIO_MAX = 1.5;

/**
 * Time to redact ordinary texts, relative to JSON.stringify of them, and of the slowest hostile text to prose. With
 * BENCH_REDACT_BEFORE, the `dist` of an earlier version, also relative to that version.
 */
export async function benchRedact() {
  const before = await earlier(process.env.BENCH_REDACT_BEFORE);
  return [...ordinaryTexts().flatMap((text) => ordinaryRows(text, before)), hostileRow()];
}

async function earlier(dist) {
  return dist === undefined ? undefined : import(pathToFileURL(`${dist}/redact/redact.js`).href);
}

function ordinaryRows({ name, texts, json }, before) {
  const all = texts ?? json;
  const values = texts ?? json.map((text) => JSON.parse(text));
  const tasks = [
    () => values.map((value) => JSON.stringify(value)),
    () => all.map(maskOf(json, { redact, redactJson })),
  ];
  if (before !== undefined) tasks.push(() => all.map(maskOf(json, before)));
  const [jsonMs, redactMs, beforeMs] = cpuMs(tasks, 15);
  const megabytes = all.reduce((sum, { length }) => sum + length, 0) / 1e6;
  const rate = (ms) => `${((1000 * megabytes) / ms).toFixed(0)} MB/s`;
  const rows = [
    {
      what: `redacting ${name} / JSON.stringify of them`,
      ratio: times(redactMs / jsonMs),
      absolute: `${rate(redactMs)} / ${rate(jsonMs)}`,
    },
  ];
  if (beforeMs !== undefined) {
    rows.push({
      what: `redacting ${name} / the earlier version`,
      ratio: times(redactMs / beforeMs),
      absolute: `${rate(redactMs)} / ${rate(beforeMs)}`,
      aim: `at most ${EARLIER_RATIO_MAX}x`,
      met: redactMs / beforeMs <= EARLIER_RATIO_MAX,
    });
  }
  return rows;
}

function maskOf(json, masks) {
  return json === undefined ? (text) => masks.redact(text) : (text) => masks.redactJson(text);
}

function hostileRow() {
  const prose = proseText();
  const [proseMs] = cpuMs([() => redact(prose)], 9);
  let worst = { ms: 0, name: '' };
  const hints = RULES.map(({ hints: [hint] }) => hint.replace(/\[(.)[^\]]*\]/g, '$1'));
  for (const [name, build] of hostileTexts(hints)) {
    const text = build(MIB / 16);
    const ms = 16 * cpuMs([() => redact(text)], 1)[0];
    if (ms > worst.ms) worst = { ms, name };
  }
  return {
    what: 'redacting a mebibyte of the slowest hostile text / of prose',
    ratio: times(worst.ms / proseMs),
    absolute: `${worst.ms.toFixed(0)} ms / ${proseMs.toFixed(1)} ms, ${JSON.stringify(worst.name)}`,
    aim: `below ${HOSTILE_RATIO_MAX}x`,
    met: worst.ms / proseMs < HOSTILE_RATIO_MAX,
  };
}

/** The least CPU time of each task: other processes do not count. The tasks take turns, so that all meet the same machine. */
function cpuMs(tasks, rounds) {
  const fastest = tasks.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, task] of tasks.entries()) {
      const before = process.cpuUsage();
      task();
      const { user, system } = process.cpuUsage(before);
      fastest[index] = Math.min(fastest[index], (user + system) / 1000);
    }
  }
  return fastest;
}
