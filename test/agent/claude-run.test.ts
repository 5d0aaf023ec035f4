import { copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AgentOutcome } from '../../src/model/agent-output.ts';
import { type KeptRecording, Workshop } from './agent-run.ts';

let shop: Workshop;

beforeEach(async () => {
  shop = await Workshop.open();
});

afterEach(async () => {
  await shop.close();
});

interface Ending {
  readonly exitCode: number;
  readonly stderr?: string;
}

/** Runs a program that prints a recording of the real CLI and exits with the same code. */
async function replay(
  sample: string | undefined,
  { exitCode, stderr = '' }: Ending,
): Promise<{ outcome: AgentOutcome; recording: KeptRecording }> {
  const path = shop.path('recorded.jsonl');
  if (sample !== undefined) {
    await copyFile(fileURLToPath(new URL(`../samples/claude-code/${sample}.jsonl`, import.meta.url)), path);
  }
  const print = sample === undefined ? '' : `process.stdout.write(readFileSync(${JSON.stringify(path)}));`;
  const command = await shop.program(`
    import { readFileSync } from 'node:fs';
    ${print}
    process.stderr.write(${JSON.stringify(stderr)});
    process.exitCode = ${exitCode};`);
  return shop.run(command, { dialect: 'claude' });
}

test('a good run is a success with its result, model, tokens and cost', async () => {
  const { outcome, recording } = await replay('demo', { exitCode: 0 });
  expect(outcome).toEqual({
    durationSeconds: expect.any(Number),
    success: true,
    result: 'Done. The project has a README and one source file; `missing.txt` does not exist.',
    error: null,
    exitCode: 0,
    signal: null,
    model: 'claude-opus-5-5',
    usage: {
      costUsd: 0.032119999999999996,
      inputTokens: 15_180,
      outputTokens: 285,
      cacheReadInputTokens: 10_000,
      cacheCreationInputTokens: 3_700,
      models: expect.any(Object),
    },
  });
  expect(recording.ends).toEqual([outcome]);
  expect(recording.models).toEqual(['claude-opus-5-5']);
  expect(recording.outputs).toHaveLength(20);
});

test('a second turn names the model again, and it is recorded once', async () => {
  expect((await replay('subagent', { exitCode: 0 })).recording.models).toEqual(['claude-opus-5-5']);
});

test('an API failure has the error message of the agent', async () => {
  const { outcome } = await replay('error529', { exitCode: 1, stderr: 'noise\n' });
  expect(outcome).toMatchObject({ success: false, result: null, errorType: 'agent_error', exitCode: 1 });
  expect(outcome.error).toMatch(/^API Error: Repeated 529 Overloaded errors\./);
});

test('an interrupted run fails although it exits with 0', async () => {
  const { outcome } = await replay('sigint-in-text', { exitCode: 0 });
  expect(outcome).toMatchObject({ success: false, errorType: 'agent_error', exitCode: 0 });
  expect(outcome.usage).toMatchObject({ inputTokens: 100, outputTokens: 40 });
});

test('a successful result line with a failing exit code is a failure', async () => {
  const { outcome } = await replay('demo', { exitCode: 2 });
  expect(outcome).toMatchObject({ success: false, error: 'exited with code 2', errorType: 'exit_code' });
  expect(outcome.usage.outputTokens).toBe(285);
});

test('a run without a result line is a failure with the known figures', async () => {
  const terminated = await replay('sigterm-in-tool', { exitCode: 143 });
  expect(terminated.outcome).toMatchObject({ error: 'killed by SIGTERM', errorType: 'signal' });
  const silent = await replay(undefined, { exitCode: 0 });
  expect(silent.outcome).toMatchObject({
    success: false,
    error: 'ended without a result',
    errorType: 'agent_error',
    model: null,
  });
  const badFlag = await replay(undefined, { exitCode: 1, stderr: "error: unknown option '--x'\n" });
  expect(badFlag.outcome.error).toBe("exited with code 1: error: unknown option '--x'");
});
