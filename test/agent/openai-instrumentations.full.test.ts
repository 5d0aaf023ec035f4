import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type OpenAiMock, startOpenAiMock } from '../support/openai-mock.ts';
import { readLines } from '../support/receiver.ts';
import { openSandbox, type Sandbox } from '../support/sandbox.ts';
import { readDocument } from '../support/service-process.ts';
import { findTool, pathOf } from '../support/tool.ts';

const python = findTool('python');
const AGENT = join(import.meta.dirname, 'openai-agent.py');

/** The instrumentations record texts only where they are asked to. */
const WITH_CONTENT = {
  OTEL_SEMCONV_STABILITY_OPT_IN: 'gen_ai_latest_experimental',
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'span_and_event',
  OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT: 'true',
};

/** Four chat calls, two of them as a stream, and an embedding. */
const CHAT = { input_tokens: 101 + 102 + 103 + 104, output_tokens: 21 + 22 + 23 + 24 };
const ALL = { input_tokens: CHAT.input_tokens + 7, output_tokens: CHAT.output_tokens };

describe.skipIf('missing' in python)(
  'a Python agent with a real instrumentation of the OpenAI client',
  () => {
    let sandbox: Sandbox;
    let mock: OpenAiMock;

    beforeEach(async () => {
      sandbox = await openSandbox();
      mock = await startOpenAiMock();
    });

    afterEach(async () => {
      await mock.close();
      await sandbox.remove();
    });

    /** Runs the agent in a task and returns what is stored of it. */
    async function run(words: string, env: Readonly<Record<string, string>> = {}): Promise<Stored> {
      const command = `tasktrail run -- ${pathOf(python)} ${AGENT} ${words} </dev/null; tasktrail tasks --json`;
      const openai = { OPENAI_BASE_URL: mock.url, OPENAI_API_KEY: 'key-of-the-mock' };
      const end = await sandbox.run(command, { ...openai, ...env });
      expect(end.code, end.stderr).toBe(0);
      const listed = JSON.parse(end.stdout.trim().split('\n').at(-1) ?? '') as {
        task_id: string;
        model: unknown;
      };
      const result = await readDocument(sandbox.logDir, listed.task_id, '04-final-result.json');
      const lines = await readLines(`${sandbox.logDir}/${listed.task_id}/03-agent-output.jsonl`);
      const tools = lines
        .filter(({ type }) => type === 'tool_call' || type === 'tool_result')
        .map(({ type, tool_name: name, tool_use_id: id }) => [type, name, id]);
      return { model: listed.model, metrics: result?.metrics as Stored['metrics'], tools };
    }

    test.each([
      ['openai_v2'],
      ['openllmetry'],
      ['openinference'],
      ['openai_v2+openinference'],
      ['openllmetry+openai_v2'],
      ['openinference+openllmetry+openai_v2'],
    ])('%s: model, tokens and tool calls, once', async (instrumentations) => {
      const { model, metrics, tools } = await run(instrumentations, WITH_CONTENT);
      expect(model).toBe('gpt-4o-2024-08-06');
      expect(metrics).toMatchObject({
        ...ALL,
        models: {
          'gpt-4o-2024-08-06': CHAT,
          'text-embedding-3-small': { input_tokens: 7, output_tokens: null },
        },
      });
      expect(tools).toEqual([
        ['tool_call', 'get_weather', 'call_1'],
        ['tool_result', 'get_weather', 'call_1'],
        ['tool_call', 'get_weather', 'call_3'],
        ['tool_result', 'get_weather', 'call_3'],
      ]);
    });

    test('openai_v2 as it is installed, without texts: model and tokens', async () => {
      expect(await run('openai_v2')).toMatchObject({ model: 'gpt-4o-2024-08-06', metrics: ALL });
    });

    test('log records alone: tokens of the chat calls, and their tools', async () => {
      const { model, metrics, tools } = await run('openai_v2 logs', WITH_CONTENT);
      expect([model, metrics]).toMatchObject(['gpt-4o-2024-08-06', CHAT]);
      expect(tools.map(([type]) => type)).toEqual(['tool_call', 'tool_result', 'tool_call', 'tool_result']);
    });

    test.each([['pydantic_ai'], ['pydantic_ai+openai_v2+openinference']])(
      '%s: an agent that sums up its calls',
      async (instrumentations) => {
        const { model, metrics, tools } = await run(instrumentations);
        expect(model).toBe('gpt-4o-2024-08-06');
        expect(metrics).toMatchObject({ input_tokens: 203, output_tokens: 43, cache_read_input_tokens: 80 });
        expect(tools).toEqual([
          ['tool_call', 'get_weather', 'call_1'],
          ['tool_result', 'get_weather', 'call_1'],
        ]);
      },
    );
  },
);

interface Stored {
  readonly model: unknown;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly tools: readonly (readonly unknown[])[];
}
