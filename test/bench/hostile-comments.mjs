import { createHmac, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { hostileMarkup } from '../webhooks/hostile-markup.mjs';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { quantile, times } from './figures.mjs';

const SECRET = 'a secret of the bench';
/** As long as a comment of GitHub may be. */
const CHARS = 63_000;
const COUNT = 400;
const GAP_MS = 20;
/** A hostile comment a second: faster, the core itself is the limit. */
const HOSTILE_EVERY = 50;
const RATIO_MAX = 3;
const AGENT = `"${process.execPath}" -e setTimeout(()=>{},120000)`;

/**
 * Response time of ordinary webhooks beside signed comments that take a careless parser long, against the same without
 * them. Each wait counts from its scheduled time.
 */
export async function benchHostileComments() {
  const [alone, beside] = await withTempDir(async (dir) => {
    const env = settings(dir, { GITHUB_WEBHOOK_SECRET: SECRET, TASK_LOGS_AGENT_COMMAND: AGENT });
    const started = startChild('../../dist/cli/main.js', { dir, env, args: ['start'] });
    try {
      const ready = await nextLine(started, (line) => /health\s+(http:\S+)/.exec(line)?.[1]);
      const url = `${ready.replace(/\/readyz$/, '')}/webhooks/github`;
      await run(url, []);
      return [await run(url, []), await run(url, hostileTexts())];
    } finally {
      await endChild(started);
    }
  });
  const ratio = quantile(beside, 0.99) / quantile(alone, 0.99);
  const ms = (value) => `${value.toFixed(1)} ms`;
  return [
    {
      what: 'webhook to response beside hostile comments of 63 kB, p99 / without them',
      ratio: times(ratio),
      absolute: `${ms(quantile(beside, 0.99))} / ${ms(quantile(alone, 0.99))}, longest ${ms(Math.max(...beside))}`,
      aim: `at most ${times(RATIO_MAX)}`,
      met: ratio <= RATIO_MAX,
    },
  ];
}

/** The texts that take longest. Their mention is that of the service, with a command that it has not. */
function hostileTexts() {
  const texts = hostileMarkup(CHARS);
  const names = ['deep quotations with lazy lines', 'many quotations with lazy lines', 'nested quotations'];
  return [...names, 'attributes', '[](', '**x [a*b**c](d)'].map((name) => texts.get(name));
}

async function run(url, hostile) {
  const waits = [];
  const others = [];
  const start = performance.now();
  for (let n = 0; n < COUNT; n += 1) {
    const dueAtMs = start + n * GAP_MS;
    await delay(Math.max(0, dueAtMs - performance.now()));
    waits.push(
      send(url, `@agent review number ${n} ${randomUUID()}`).then(() => performance.now() - dueAtMs),
    );
    if (hostile.length > 0 && n % HOSTILE_EVERY === 0) {
      others.push(send(url, hostile[(n / HOSTILE_EVERY) % hostile.length]));
    }
  }
  await Promise.all(others);
  return Promise.all(waits);
}

const EXAMPLES = createRequire(import.meta.url)('@octokit/webhooks-examples');
const COMMENT = EXAMPLES.find(({ name }) => name === 'issue_comment').examples.find(
  ({ action }) => action === 'created',
);
let nextId = 1;

async function send(url, text) {
  nextId += 1;
  const payload = { ...COMMENT, comment: { ...COMMENT.comment, id: nextId, body: text } };
  const body = JSON.stringify(payload);
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'issue_comment',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
  };
  const response = await fetch(url, { method: 'POST', headers, body });
  await response.arrayBuffer();
  if (response.status >= 400) throw new Error(`a delivery failed with status ${response.status}`);
}
