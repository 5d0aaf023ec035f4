import MarkdownIt from 'markdown-it';
import { matchCommands, mentionPattern } from '../../dist/webhooks/command.js';
import { readOwnLines } from '../../dist/webhooks/markup/own-lines.js';
import { hostileMarkup } from '../webhooks/hostile-markup.mjs';
import { times } from './figures.mjs';

const CHARS = 1_000_000;
const RATIO_MAX = 2;
const OPTIONS = { trigger: '@agent', commands: ['review', 'fix'] };
const ROUNDS = 3;
const SUSPECTS = 5;

/**
 * CPU time to find the commands in hostile markup, relative to the time in which markdown-it parses the same text once. A text
 * that the library reads faster than prose is compared with prose. For Jira's and Slack's markup no library is kept up.
 */
export async function benchMarkup() {
  const texts = hostileMarkup(CHARS);
  const library = new MarkdownIt({ html: true });
  const proseMs = await fastestMs(() => library.parse(texts.get('prose'), {}), ROUNDS);
  const parsedMs = new Map();
  const parseMs = async (name, rounds) => {
    const ms = Math.min(
      parsedMs.get(name) ?? Number.POSITIVE_INFINITY,
      await fastestMs(() => library.parse(texts.get(name), {}), rounds),
    );
    parsedMs.set(name, ms);
    return Math.max(proseMs, ms);
  };
  const rows = [];
  for (const markup of ['markdown', 'html', 'text', 'jira', 'slack']) {
    const measured = [];
    for (const [name, text] of texts) {
      const baseline = parsedMs.has(name) ? Math.max(proseMs, parsedMs.get(name)) : await parseMs(name, 1);
      const ms = await fastestMs(() => findCommands(markup, text), 1);
      measured.push({ name, ms, baseline, ratio: ms / baseline });
    }
    // One round may have met a busy moment.
    for (const row of measured.sort((a, b) => b.ratio - a.ratio).slice(0, SUSPECTS)) {
      row.baseline = await parseMs(row.name, ROUNDS);
      row.ms = Math.min(row.ms, await fastestMs(() => findCommands(markup, texts.get(row.name)), ROUNDS));
      row.ratio = row.ms / row.baseline;
    }
    const [worst] = measured.sort((a, b) => b.ratio - a.ratio);
    rows.push({
      what: `commands in 1 MB of hostile ${markup} / parsing it with markdown-it`,
      ratio: times(worst.ratio),
      absolute: `${worst.ms.toFixed(0)} ms / ${worst.baseline.toFixed(0)} ms, ${JSON.stringify(worst.name)}`,
      aim: `at most ${RATIO_MAX}x`,
      met: worst.ratio <= RATIO_MAX,
    });
  }
  return rows;
}

async function findCommands(markup, text) {
  const { lines } = await readOwnLines({ markup, text }, mentionPattern(OPTIONS.trigger));
  return matchCommands(lines, OPTIONS);
}

/** CPU time: other programs of the machine do not count. */
async function fastestMs(run, rounds) {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    fastest = Math.min(fastest, (user + system) / 1_000);
  }
  return fastest;
}
