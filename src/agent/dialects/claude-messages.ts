import type { Usage } from '../../model/documents.ts';
import { type JsonObject, objectOf } from '../../model/json.ts';
import { amount } from './usage-counts.ts';

/** Messages whose blocks may still come: those of all sub-agents. */
const MESSAGES_MAX = 1_000;

interface Tokens {
  readonly input: number;
  readonly output: number;
}

/**
 * Tokens of the messages so far. A message is printed block by block, each with the same preview of its usage: the input is
 * final, the output a lower bound. Enough for a limit, and not for a bill.
 */
export class MessageCounts {
  readonly #open = new Map<string, Tokens>();
  #input = 0;
  #output = 0;

  add({ id, usage }: JsonObject, isCachedExtra: boolean): void {
    if (typeof id !== 'string' || id === '') return;
    const said = objectOf(usage);
    const known = this.#open.get(id) ?? { input: 0, output: 0 };
    const cached =
      (amount(said.cache_read_input_tokens) ?? 0) + (amount(said.cache_creation_input_tokens) ?? 0);
    const input = (amount(said.input_tokens) ?? 0) + (isCachedExtra ? cached : 0);
    const now = {
      input: Math.max(known.input, input),
      output: Math.max(known.output, amount(said.output_tokens) ?? 0),
    };
    this.#input += now.input - known.input;
    this.#output += now.output - known.output;
    this.#open.delete(id);
    this.#open.set(id, now);
    const [oldest] = this.#open.keys();
    if (this.#open.size > MESSAGES_MAX && oldest !== undefined) this.#open.delete(oldest);
  }

  /** The usage with no fewer tokens than those of the messages. */
  atLeast(usage: Usage): Usage {
    return {
      ...usage,
      inputTokens: Math.max(usage.inputTokens ?? 0, this.#input),
      outputTokens: Math.max(usage.outputTokens ?? 0, this.#output),
    };
  }
}
