import { writeSync } from 'node:fs';

/**
 * `node paced-agent.mjs <lines> <gap>`: prints Claude Code's stream-json, each line in a separate write with its timestamp.
 * `<gap>` is in milliseconds; `<least>-<most>` means a random gap. Blocks between lines: an event loop with timers would use
 * more CPU time than the measured worker.
 */
const [count = '0', gap = '10'] = process.argv.slice(2);
const [least = 0, most = least] = gap.split('-').map(Number);
const clock = new Int32Array(new SharedArrayBuffer(4));

/** Kinds of lines, in the proportions of a recorded run. */
const KINDS = [thinking, text, toolUse, toolResult, text, toolUse, toolResult];
let calls = 0;

function thinking(stamp) {
  return assistant({
    type: 'thinking',
    thinking: `I should look at the folder. ${stamp}`,
    signature: 'c2ln',
  });
}

function text(stamp) {
  return assistant({ type: 'text', text: `I will look at the project first. ${stamp}` });
}

function toolUse(stamp) {
  calls += 1;
  const input = { command: `cat README.md # ${stamp}`, description: 'Run a small command' };
  return assistant({ type: 'tool_use', id: `toolu_${calls}`, name: 'Bash', input });
}

function toolResult(stamp) {
  const content = [{ tool_use_id: `toolu_${calls}`, type: 'tool_result', content: `# Project\n${stamp}` }];
  const seen = {
    stdout: '# Project\n\nA scratch project for recorded runs.\n',
    stderr: '',
    interrupted: false,
  };
  return { ...ids(), type: 'user', message: { role: 'user', content }, tool_use_result: seen };
}

function assistant(block) {
  const usage = { input_tokens: 1200, cache_creation_input_tokens: 3000, cache_read_input_tokens: 0 };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'bench-model', content: [block] };
  const detail = { ...usage, cache_creation: { ephemeral_5m_input_tokens: 3000 }, output_tokens: 1 };
  return { ...ids(), type: 'assistant', message: { ...message, stop_reason: null, usage: detail } };
}

function ids() {
  const session = 'c1f85dd1-f593-4759-a1e3-9a8da814e9ce';
  return { session_id: session, uuid: '040fb789-1af1-48e4-a94d-14d1e23f51e0', parent_tool_use_id: null };
}

function print(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

print({ ...ids(), type: 'system', subtype: 'init', model: 'bench-model', tools: ['Bash'] });
let dueMs = Date.now();
for (let number = 0; number < Number(count); number += 1) {
  dueMs += least + Math.random() * (most - least);
  const waitMs = dueMs - Date.now();
  if (waitMs > 0) Atomics.wait(clock, 0, 0, waitMs);
  print(KINDS[number % KINDS.length](`line ${number} at ${Date.now()};`));
}
const usage = { input_tokens: 1480, output_tokens: 285 };
print({
  ...ids(),
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: 'Done.',
  total_cost_usd: 0.03,
  usage,
});
