import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LINES = 10;
const WORDS_A_LINE = 160;
const VOCABULARY = 50_000;
/**
 * Different words of a task, out of 1,600: agents' streams of 15 to 19 KB have 520 to 550 (Claude Code, with tool calls). Each task
 * has its own ones.
 */
const WORDS_A_TASK = 700;

/**
 * Writes tasks of several repositories, agents and states. Returns the bytes of all files. `isShort`: one line of output, and
 * nothing of what only the store reads.
 */
export function writeTasks(dir, count, { isShort = false } = {}) {
  const next = randomNumbers(1);
  let bytes = 0;
  for (let n = 0; n < count; n += 1) {
    const id = `task-${String(n).padStart(8, '0')}`;
    const folder = join(dir, id);
    mkdirSync(folder);
    const put = (name, text) => {
      writeFileSync(join(folder, name), text);
      bytes += Buffer.byteLength(text);
    };
    const at = new Date(Date.UTC(2026, 0, 1) + n * 25_000).toISOString();
    const topic = Array.from(
      { length: isShort ? WORDS_A_LINE : WORDS_A_TASK },
      () => `word${Math.floor(VOCABULARY ** next())}`,
    );
    const isFailed = n % 20 === 0;
    if (!isShort) putDerived(put, id, at);
    put(
      '01-input.json',
      json({ message: words(next, topic, 12), source_metadata: { repo: `acme/shop${n % 50}` } }),
    );
    const lines = Array.from({ length: isShort ? 1 : LINES }, (_, index) =>
      json({
        timestamp: at,
        type: index === 3 ? 'tool_call' : 'output',
        content: words(next, topic, WORDS_A_LINE),
        ...(index === 3 && { tool_name: 'Bash', tool_input: { command: `npm test ${n}` } }),
        event_id: `${id}-${index}`,
      }),
    );
    put('03-agent-output.jsonl', lines.join(''));
    const metrics = {
      cost_usd: next(),
      input_tokens: 1_000 + n,
      output_tokens: n % 900,
      duration_seconds: 90 * next(),
    };
    put(
      '04-final-result.json',
      json({ success: !isFailed, result: 'done', error: null, metrics, completed_at: at }),
    );
    put(
      'metadata.json',
      json({
        task_id: id,
        source: 'webhook',
        provider: 'github',
        created_at: at,
        status: isFailed ? 'failed' : 'completed',
        assigned_agent: `agent${n % 3}`,
        model: 'opus',
        attempt: 1,
        workflow_ids: [],
        settled: true,
      }),
    );
  }
  return bytes;
}

/** Few words are common and most are rare, as in texts. */
function words(next, topic, count) {
  return Array.from({ length: count }, () => topic[Math.floor(topic.length ** next()) - 1]).join(' ');
}

/** What the store keeps beside the texts: facts, spans and the manifest, of the sizes that a run of one command has. */
function putDerived(put, id, at) {
  const fact = (kind) =>
    json({ timestamp: at, event_id: `${id}-${kind}`, kind, attempt: 1, body: 'x'.repeat(500) });
  put('facts.jsonl', ['metadata', 'input', 'started', 'result'].map(fact).join(''));
  put(
    'trace.jsonl',
    json({
      resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'process', attributes: 'x'.repeat(1_500) }] }] }],
    }),
  );
  put('manifest.json', json({ files: 'x'.repeat(900) }));
}

function json(value) {
  return `${JSON.stringify(value)}\n`;
}

/** The same numbers in each run, from 0 to 1 (mulberry32). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
