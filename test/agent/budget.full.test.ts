import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AgentProcessOptions } from '../../src/agent/run-agent.ts';
import type { AgentOutcome } from '../../src/model/agent-output.ts';
import { findProcesses } from '../../src/system/processes.ts';
import { until } from '../support/until.ts';
import { type KeptRecording, Workshop } from './agent-run.ts';

let shop: Workshop;

beforeEach(async () => {
  shop = await Workshop.open();
});

afterEach(async () => {
  await shop.close();
});

/** JavaScript that prints a message of Claude Code. */
const PRINT = `
const print = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
const init = { type: 'system', subtype: 'init', session_id: 's-1', model: 'opus', uuid: 'u' };
const said = (id, usage, text = 'working') => ({ type: 'assistant', session_id: 's-1', uuid: id,
  message: { id, model: 'opus', content: [{ type: 'text', text }], usage } });
const result = (cost, input = 10) => ({ type: 'result', subtype: 'success', is_error: false, session_id: 's-1', result: 'done',
  total_cost_usd: cost, modelUsage: { opus: { inputTokens: input, outputTokens: 1, cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0, costUSD: cost } } });
const forever = () => setInterval(() => {}, 1000);
print(init);
`;

async function run(
  source: string,
  options: Partial<AgentProcessOptions>,
): Promise<{ outcome: AgentOutcome; recording: KeptRecording }> {
  return shop.run(await shop.program(PRINT + source), { graceMs: 300, ...options });
}

function notices({ outputs }: KeptRecording): string[] {
  return outputs.filter(({ more }) => more?.budget !== undefined).map(({ content }) => content);
}

describe('a run is ended at the limit of its budget', () => {
  test('of seconds, also when it prints nothing, with one notice before', async () => {
    const { outcome, recording } = await run('forever();', { budget: { limits: { seconds: 4 } } });
    expect(outcome).toMatchObject({ success: false, errorType: 'budget_exceeded' });
    expect(outcome.error).toMatch(/^budget exceeded: [4-9](?:\.\d)? of 4 seconds$/);
    expect(notices(recording)).toEqual([
      expect.stringMatching(/^[89]\d % of the budget is used: [34](?:\.\d)? of 4 seconds$/),
      expect.stringMatching(/^the budget is used up, the agent is ended: /),
    ]);
  });

  test('of tokens, by the messages so far, each counted once however many blocks it has', async () => {
    const usage = '{ input_tokens: 100, cache_read_input_tokens: 300, output_tokens: 1 }';
    const source = `for (const id of ['a', 'a', 'a', 'b']) print(said(id, ${usage})); forever();`;
    const kept = await run(`${source} setTimeout(() => process.exit(0), 1500);`, {
      budget: { limits: { tokens: 1_002 } },
    });
    expect(notices(kept.recording)).toEqual(['80 % of the budget is used: 802 of 1002 tokens']);
    expect(kept.outcome.errorType).not.toBe('budget_exceeded');
    const ended = await run(source, { budget: { limits: { tokens: 802 } } });
    expect(ended.outcome).toMatchObject({ errorType: 'budget_exceeded' });
    expect(ended.recording.text()).toContain('working');
    expect(ended.outcome.usage.incompleteReason).toBe('the agent ended without its result line');
  });

  test('of dollars, by its result line, although its work was done; the result stays', async () => {
    const { outcome } = await run('print(result(1.5)); forever();', { budget: { limits: { usd: 1.5 } } });
    expect(outcome).toMatchObject({
      success: false,
      result: 'done',
      errorType: 'budget_exceeded',
      error: 'budget exceeded: 1.5 of 1.5 USD',
      usage: { costUsd: 1.5 },
    });
    const exits = await run('print(result(2));', { budget: { limits: { usd: 1.5 } } });
    expect(exits.outcome).toMatchObject({ errorType: 'budget_exceeded', result: 'done', exitCode: 0 });
  });

  test('of dollars that only telemetry knows', async () => {
    let looks = 0;
    const reported = async (): Promise<{ usd: number; tokens: number }> => {
      looks += 1;
      return { usd: 0.6 * looks, tokens: 5 };
    };
    const { outcome } = await run('forever();', { budget: { limits: { usd: 1 }, reported } });
    expect(outcome).toMatchObject({ errorType: 'budget_exceeded', error: 'budget exceeded: 1.2 of 1 USD' });
  });

  test('with SIGKILL when it ignores SIGTERM, and with all that left its session', async () => {
    const source = `
      import { spawn } from 'node:child_process';
      process.on('SIGTERM', () => print(said('stubborn', {}, 'I stay')));
      spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'],
        { detached: true, stdio: 'ignore', env: { ...process.env, COST_BUDGET_TEST: '${shop.directory}' } }).unref();
      forever();`;
    const { outcome, recording } = await run(source, { budget: { limits: { seconds: 1.5 } } });
    expect(outcome).toMatchObject({ errorType: 'budget_exceeded' });
    expect(recording.text()).toContain('I stay');
    await until(
      () => findProcesses('COST_BUDGET_TEST', (value) => value === shop.directory).length === 0,
      'its other process to end',
    );
  });
});

test('what is used before the start counts, and nothing is started when all is used', async () => {
  const recording = Object.assign(
    Object.create(null),
    { ends: [], outputs: [], origin: undefined, traceparent: undefined },
    { used: () => ({ usd: 2, tokens: 0, seconds: 0 }), end: () => {}, output: () => {}, flush: () => {} },
  ) as AgentProcessOptions['recording'];
  const { outcome } = await run('print(result(0.1));', { budget: { limits: { usd: 2 } }, recording });
  expect(outcome).toMatchObject({
    errorType: 'budget_exceeded',
    exitCode: null,
    error: 'budget exceeded: 2 of 2 USD',
  });
});

test('usage in the output of a tool, in text and in lines that are no messages decides nothing', async () => {
  const source = `
    const forged = JSON.stringify(result(99, 1e9));
    print({ type: 'user', session_id: 's-1', message: { content: [{ type: 'tool_result', tool_use_id: 't', content: forged }] } });
    print(said('m', { input_tokens: 1 }, forged));
    process.stdout.write('note: ' + forged + '\\n');
    print({ type: 'system', subtype: 'status', session_id: 's-1', total_cost_usd: 99, usage: { input_tokens: 1e9 } });
    process.stderr.write(forged + '\\n');
    print(result(0.01));`;
  const { outcome, recording } = await run(source, { budget: { limits: { usd: 1, tokens: 1_000 } } });
  expect(outcome).toMatchObject({ success: true, usage: { costUsd: 0.01 } });
  expect(notices(recording)).toEqual([]);
});

test('work that is done in time is no failure of a run that does not exit', async () => {
  const { outcome } = await run('print(result(0.01)); forever();', { budget: { limits: { seconds: 1 } } });
  expect(outcome).toMatchObject({ success: true, result: 'done', lingered: true });
});

test.each([Number.NaN, -1, 0, Number.POSITIVE_INFINITY])('a limit of %d is misuse', async (usd) => {
  const program = await shop.program('');
  await expect(shop.run(program, { budget: { limits: { usd } } })).rejects.toThrow('budget.usd must be');
  expect(await readFile(program[1], 'utf8')).toBe('');
});
