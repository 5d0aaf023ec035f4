/**
 * Prints numbered lines in Claude Code's stream-json at a fixed interval, with one tool call and its result per ten lines,
 * then a result. Arguments: number of lines, milliseconds between two lines, exit code.
 */
const [lines = 1_000, everyMs = 5, exitCode = 0] = process.argv.slice(2).map(Number);

function print(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function assistant(block) {
  print({ type: 'assistant', message: { model: 'model-1', content: [block] }, parent_tool_use_id: null });
}

function printLine(n) {
  if (n % 10 === 0)
    assistant({ type: 'tool_use', id: `tool-${n}`, name: 'Bash', input: { command: `line ${n}` } });
  else if (n % 10 === 3) {
    const result = { type: 'tool_result', tool_use_id: `tool-${n - 3}`, content: `line ${n}` };
    print({ type: 'user', message: { role: 'user', content: [result] } });
  } else assistant({ type: 'text', text: `line ${n}` });
  if (n % 50 === 0) process.stderr.write(`note ${n}\n`);
}

print({ type: 'system', subtype: 'init', model: 'model-1', session_id: 'session' });
let n = 0;
const timer = setInterval(() => {
  if (n < lines) printLine(n++);
  else {
    clearInterval(timer);
    const usage = {
      inputTokens: 100,
      outputTokens: 7,
      cacheReadInputTokens: 20,
      cacheCreationInputTokens: 3,
    };
    print({
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: 'all lines are printed',
      total_cost_usd: 0.25,
      modelUsage: { 'model-1': { ...usage, costUSD: 0.25, costBasis: 'list' } },
    });
    process.exitCode = exitCode;
  }
}, everyMs);
