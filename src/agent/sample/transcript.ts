import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

const MODEL = 'tasktrail-sample-agent';

/** Slow enough that a follower sees one line after the other, fast enough for a run of less than a second. */
const LINE_DELAY_MS = 20;

/** A rule of thumb for English. */
const CHARS_PER_TOKEN = 4;

/** Invented: a system prompt, read from the cache in each turn and written to it once. */
const PROMPT_TOKENS = 2_400;

/** Invented prices in US dollars per token, so that the cost columns of a demo are not empty. */
const PRICES = { input: 3e-6, cacheRead: 3e-7, cacheCreation: 3.75e-6, output: 15e-6 };

export interface ToolResult {
  readonly content: string;
  readonly isError: boolean;
}

/** Prints a run in Claude Code's stream-json format. */
export class Transcript {
  readonly #label: string;
  readonly #sessionId = randomUUID();
  readonly #startedAtMs = performance.now();
  #turns = 0;
  #inputChars = 0;
  #outputChars = 0;

  /** `label` starts every text, so that no line of the sample is taken for a real agent's. */
  constructor(label: string) {
    this.#label = label;
  }

  async start(cwd: string): Promise<void> {
    const tools = ['Read', 'Write', 'Edit', 'Bash'];
    await this.#print({ type: 'system', subtype: 'init', cwd, model: MODEL, tools });
  }

  async think(text: string): Promise<void> {
    await this.#assistant({ type: 'thinking', thinking: `${this.#label} ${text}` });
  }

  async say(text: string): Promise<void> {
    await this.#assistant({ type: 'text', text: `${this.#label} ${text}` });
  }

  /** Prints the call, runs the tool, and prints its result. */
  async useTool(
    name: string,
    input: Readonly<Record<string, string>>,
    run: () => Promise<ToolResult>,
  ): Promise<ToolResult> {
    const id = `toolu_sample_${this.#sessionId.slice(0, 8)}_${this.#turns}`;
    await this.#assistant({ type: 'tool_use', id, name, input });
    const { content, isError } = await run();
    this.#inputChars += content.length;
    const result = { type: 'tool_result', tool_use_id: id, content, is_error: isError };
    await this.#print({
      type: 'user',
      parent_tool_use_id: null,
      message: { role: 'user', content: [result] },
    });
    return { content, isError };
  }

  async end(text: string): Promise<void> {
    await this.say(text);
    await this.#result({ subtype: 'success', is_error: false, result: `${this.#label} ${text}` });
  }

  async fail(reason: string): Promise<void> {
    const result = `${this.#label} ${reason}`;
    await this.#result({ subtype: 'error_during_execution', is_error: true, result });
  }

  async #assistant(block: object): Promise<void> {
    this.#turns += 1;
    this.#outputChars += JSON.stringify(block).length;
    const message = { model: MODEL, role: 'assistant', content: [block] };
    await this.#print({ type: 'assistant', parent_tool_use_id: null, message });
  }

  async #result(end: object): Promise<void> {
    await this.#print({
      type: 'result',
      ...end,
      num_turns: this.#turns,
      duration_ms: Math.round(performance.now() - this.#startedAtMs),
      ...this.#usage(),
    });
  }

  #usage(): object {
    const input = Math.ceil(this.#inputChars / CHARS_PER_TOKEN);
    const output = Math.ceil(this.#outputChars / CHARS_PER_TOKEN);
    const cacheRead = PROMPT_TOKENS * this.#turns;
    const cost =
      input * PRICES.input +
      cacheRead * PRICES.cacheRead +
      PROMPT_TOKENS * PRICES.cacheCreation +
      output * PRICES.output;
    return {
      total_cost_usd: cost,
      usage: {
        input_tokens: input,
        output_tokens: output,
        cache_read_input_tokens: cacheRead,
        cache_creation_input_tokens: PROMPT_TOKENS,
      },
      modelUsage: {
        [MODEL]: {
          inputTokens: input,
          outputTokens: output,
          cacheReadInputTokens: cacheRead,
          cacheCreationInputTokens: PROMPT_TOKENS,
          costUSD: cost,
          costBasis: 'list',
        },
      },
    };
  }

  async #print(line: object): Promise<void> {
    process.stdout.write(`${JSON.stringify({ ...line, session_id: this.#sessionId })}\n`);
    await delay(LINE_DELAY_MS);
  }
}
