import { RULES } from '../../dist/redact/find.js';
import { redact } from '../../dist/redact/redact.js';
import { hostileTexts, proseText } from '../redact/hostile-texts.mjs';
import { times } from './figures.mjs';

const MIB = 1024 * 1024;
/** Of a text that an attacker writes. Quadratic time would yield a ratio in the thousands. */
const HOSTILE_RATIO_MAX = 200;

/** Time to redact lines of ordinary text, relative to JSON.stringify of them, and of the slowest hostile text to prose. */
export async function benchRedact() {
  const lines = proseText().match(/.{1,80}/g);
  const redactMs = cpuMs(() => lines.map((line) => redact(line)), 9);
  const jsonMs = cpuMs(() => lines.map((line) => JSON.stringify(line)), 9);
  const prose = proseText();
  const proseMs = cpuMs(() => redact(prose), 9);
  let worst = { ms: 0, name: '' };
  const hints = RULES.map(({ hints: [hint] }) => hint.replace(/\[(.)[^\]]*\]/g, '$1'));
  for (const [name, build] of hostileTexts(hints)) {
    const text = build(MIB / 16);
    const ms = 16 * cpuMs(() => redact(text), 1);
    if (ms > worst.ms) worst = { ms, name };
  }
  return [
    {
      what: 'redacting lines of prose / JSON.stringify of them',
      ratio: times(redactMs / jsonMs),
      absolute: `${(1000 / redactMs).toFixed(0)} MB/s / ${(1000 / jsonMs).toFixed(0)} MB/s`,
    },
    {
      what: 'redacting a mebibyte of the slowest hostile text / of prose',
      ratio: times(worst.ms / proseMs),
      absolute: `${worst.ms.toFixed(0)} ms / ${proseMs.toFixed(1)} ms, ${JSON.stringify(worst.name)}`,
      aim: `below ${HOSTILE_RATIO_MAX}x`,
      met: worst.ms / proseMs < HOSTILE_RATIO_MAX,
    },
  ];
}

/** CPU time: other processes do not count. */
function cpuMs(task, rounds) {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    task();
    const { user, system } = process.cpuUsage(before);
    fastest = Math.min(fastest, (user + system) / 1000);
  }
  return fastest;
}
