import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

interface ChatRequest {
  readonly model: string;
  readonly stream?: boolean;
  readonly tools?: unknown;
  readonly messages: readonly { readonly role: string }[];
}

export interface OpenAiMock {
  /** For `OPENAI_BASE_URL`. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Chat completions and embeddings as the OpenAI API answers them. Every first question gets a tool call. Chat call n has
 * 100 + n input tokens, 40 of them cached, and 20 + n output tokens; an embedding has 7.
 */
export async function startOpenAiMock(): Promise<OpenAiMock> {
  let calls = 0;
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await textOf(request)) as ChatRequest;
    if (request.url?.endsWith('/embeddings')) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(EMBEDDING));
      return;
    }
    calls += 1;
    const chunked = body.stream === true;
    response.setHeader('content-type', chunked ? 'text/event-stream' : 'application/json');
    response.end(chunked ? streamOf(body, calls) : JSON.stringify(completionOf(body, calls)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const EMBEDDING = {
  object: 'list',
  model: 'text-embedding-3-small',
  data: [{ object: 'embedding', index: 0, embedding: [0.1, 0.2] }],
  usage: { prompt_tokens: 7, total_tokens: 7 },
};

const MODEL = 'gpt-4o-2024-08-06';

function head(call: number, object: string): object {
  return { id: `chatcmpl-${call}`, object, created: 1_700_000_000, model: MODEL };
}

function usageOf(call: number): object {
  return {
    prompt_tokens: 100 + call,
    completion_tokens: 20 + call,
    total_tokens: 120 + 2 * call,
    prompt_tokens_details: { cached_tokens: 40 },
  };
}

function toolCallsOf({ tools, messages }: ChatRequest, call: number): object[] | undefined {
  if (tools === undefined || messages.some(({ role }) => role === 'tool')) return undefined;
  const called = { name: 'get_weather', arguments: '{"city":"Oslo"}' };
  return [{ index: 0, id: `call_${call}`, type: 'function', function: called }];
}

function completionOf(request: ChatRequest, call: number): object {
  const toolCalls = toolCallsOf(request, call);
  const message =
    toolCalls === undefined
      ? { role: 'assistant', content: 'It is sunny.' }
      : { role: 'assistant', content: null, tool_calls: toolCalls };
  const choice = { index: 0, finish_reason: toolCalls === undefined ? 'stop' : 'tool_calls', message };
  return { ...head(call, 'chat.completion'), choices: [choice], usage: usageOf(call) };
}

function streamOf(request: ChatRequest, call: number): string {
  const toolCalls = toolCallsOf(request, call);
  const deltas: readonly object[] =
    toolCalls === undefined
      ? [{ role: 'assistant', content: 'It is ' }, { content: 'sunny.' }]
      : [{ role: 'assistant', content: null, tool_calls: toolCalls }];
  const end = { index: 0, delta: {}, finish_reason: toolCalls === undefined ? 'stop' : 'tool_calls' };
  const choices = [...deltas.map((delta) => ({ index: 0, delta, finish_reason: null })), end];
  const chunks = choices.map((choice) => ({ ...head(call, 'chat.completion.chunk'), choices: [choice] }));
  const last = { ...head(call, 'chat.completion.chunk'), choices: [], usage: usageOf(call) };
  const lines = [...chunks, last].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
  return `${lines.join('')}data: [DONE]\n\n`;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}
