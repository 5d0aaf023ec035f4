import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { comment, deliver } from '../support/deliveries.ts';
import { documentOf, linesOf, tempDir } from '../support/log-dir.ts';
import { firstTaskId, resultOf, ServiceProcess, serviceEnv } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const HALF = String.raw`\ud83d`;

/** Lines of Claude Code's stream-json with half a character in text, tool input, its names, tool result and result. */
const AGENT_LINES = [
  '{"type":"system","subtype":"init","session_id":"s6","model":"claude-sonnet-4-6"}',
  `{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"cut ${HALF} here"}]}}`,
  `{"type":"assistant","message":{"id":"m2","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"echo ${HALF}","${HALF}key":1}}]}}`,
  `{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"${HALF}"}]}}`,
  `{"type":"unheard-of","${HALF}":"${HALF}"}`,
  `{"type":"result","subtype":"success","is_error":false,"result":"end ${HALF}","total_cost_usd":0.01,"modelUsage":{"${HALF}":{"inputTokens":1,"outputTokens":1,"costUSD":0.01}}}`,
];

async function startService(): Promise<{ service: ServiceProcess; home: string; logs: string }> {
  const home = await tempDir();
  const output = join(home, 'agent.jsonl');
  await writeFile(output, `${AGENT_LINES.join('\n')}\n`);
  await writeFile(
    join(home, 'failing.sh'),
    `printf '%s😀%s\\n' "$(printf 'x%.0s' $(seq 299))" end >&2; exit 3\n`,
  );
  const config = {
    agents: {
      claude: { command: ['cat', output], dialect: 'claude' },
      failing: { command: ['sh', join(home, 'failing.sh')], dialect: 'text' },
    },
    commands: { review: { agent: 'claude' }, fail: { agent: 'failing' } },
  };
  await writeFile(join(home, 'tasktrail.config.json'), JSON.stringify(config));
  const service = await ServiceProcess.start({ cwd: home });
  onTestFinished(() => service.dispose());
  return { service, home, logs: join(home, 'logs') };
}

/** The JSON files below a directory. */
function jsonFilesIn(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.(?:json|jsonl|facts)$/.test(name)).map((name) => join(dir, name));
}

test('half a character becomes U+FFFD wherever text enters, and jq reads every file', {
  timeout: 60_000,
}, async () => {
  const { service, home, logs } = await startService();
  const post = (path: string, body: string, base = service.url): Promise<Response> =>
    fetch(base + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body });

  // A webhook, with 199 letters and an emoji after the command.
  const text = `@agent review ${'a'.repeat(199)}😀 b ${HALF}`;
  const payload = JSON.stringify(comment('BODY', { sender: { login: 'JO', type: 'User' } }));
  const sent = payload.replace('BODY', text).replace('JO', `jo${HALF}`);
  const delivered = await deliver(service.url, sent);
  expect(delivered.status).toBe(202);
  const answer: unknown = await delivered.json();
  const reviewed = firstTaskId(answer);
  expect(await resultOf(logs, reviewed)).toMatchObject({ success: true, result: 'end \ufffd' });

  // REST.
  const posted = await post('/api/tasks', `{"message":"do ${HALF} it","command":"fail"}`);
  const accepted: unknown = await posted.json();
  expect([accepted, posted.status]).toEqual([expect.anything(), 202]);
  const failed = firstTaskId(accepted);
  const result = await resultOf(logs, failed);
  expect(result.error).toBe(`agent failing failed: exited with code 3: ${'x'.repeat(299)}...`);
  expect(documentOf(logs, failed, '01-input.json')).toMatchObject({ message: 'do \ufffd it' });

  // OTLP in JSON.
  const attributes = `[{"key":"tasktrail.task.id","value":{"stringValue":"foreign"}},{"key":"${HALF}","value":{"stringValue":"${HALF}"}}]`;
  const log = `{"resourceLogs":[{"resource":{"attributes":[{"key":"a${HALF}","value":{"stringValue":"${HALF}"}}]},"scopeLogs":[{"scope":{"name":"${HALF}"},"logRecords":[{"timeUnixNano":"1767323045000000000","body":{"stringValue":"log ${HALF}"},"attributes":${attributes}}]}]}]}`;
  const span = `{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"${HALF}"},"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"00f067aa0ba902b7","name":"span ${HALF}","kind":1,"startTimeUnixNano":"1767323045000000000","endTimeUnixNano":"1767323046000000000","attributes":${attributes},"status":{"code":2,"message":"${HALF}"},"events":[{"timeUnixNano":"1767323045000000000","name":"${HALF}"}]}]}]}]}`;
  expect((await post('/v1/logs', log, service.otlpUrl)).status).toBe(200);
  expect((await post('/v1/traces', span, service.otlpUrl)).status).toBe(200);

  // A workflow of the command line.
  for (const [type, event] of [
    ['workflow_start', `{"${HALF}":"${HALF}","context":{"work_item_id":"7${HALF}"}}`],
    ['workflow_complete', `{"status":"success","summary":{"${HALF}":"${HALF}"}}`],
  ] as const) {
    const env = { ...process.env, ...serviceEnv({ cwd: home }) };
    execFileSync(process.execPath, [MAIN, 'emit', type, 'workflow-7-20260102T030405Z', event], {
      cwd: home,
      env,
    });
  }
  await until(
    () => jsonFilesIn(logs).some((path) => path.endsWith('workflow-7-20260102T030405Z.json')),
    'the document of the workflow',
  );
  await service.stop();

  const stages = linesOf(logs, reviewed, '02-webhook-flow.jsonl');
  expect(stages.find(({ stage }) => stage === 'command_matching')).toMatchObject({ args: 'a'.repeat(199) });
  expect(documentOf(logs, '_workflow/2026/01/workflow-7-20260102T030405Z.json').events).toMatchObject([
    { payload: { '\ufffd': '\ufffd' } },
    { payload: { summary: { '\ufffd': '\ufffd' } } },
  ]);
  expect(linesOf(logs, 'foreign', '03-agent-output.jsonl')).toMatchObject([{ content: 'log \ufffd' }]);
  const files = jsonFilesIn(logs);
  expect(files.length).toBeGreaterThan(15);
  for (const path of files) {
    const written = readFileSync(path, 'utf8');
    // A text field may hold the six characters as an agent wrote them: then the backslash is escaped.
    expect([path, /(?<!\\)(?:\\\\)*\\ud[89a-f]/i.test(written)]).toEqual([path, false]);
    execFileSync('jq', ['-c', '.', path]);
  }
});
