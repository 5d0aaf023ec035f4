import { performance } from 'node:perf_hooks';
import { redact } from '../../dist/redact/redact.js';
import { hostileTexts, proseText } from '../redact/hostile-texts.mjs';
import { times } from './figures.mjs';

/** Quadratic time would yield a ratio in the thousands. */
const RATIO_MAX = 15;

/** Time to redact hostile text, relative to prose of the same length. All expressions must be linear. */
export async function benchRedact() {
  const proseMs = fastestMs(proseText(), 5);
  let worst = { ms: 0, text: '' };
  for (const text of hostileTexts()) {
    const ms = fastestMs(text, 3);
    if (ms > worst.ms) worst = { ms, text };
  }
  const ratio = worst.ms / proseMs;
  return [
    {
      what: 'redacting a mebibyte of the slowest secret prefix / of prose',
      ratio: times(ratio),
      absolute: `${worst.ms.toFixed(1)} ms / ${proseMs.toFixed(1)} ms, ${JSON.stringify(worst.text.slice(32, 64))}`,
      aim: `below ${RATIO_MAX}x`,
      met: ratio < RATIO_MAX,
    },
  ];
}

function fastestMs(text, rounds) {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now();
    redact(text);
    fastest = Math.min(fastest, performance.now() - startedAt);
  }
  return fastest;
}
