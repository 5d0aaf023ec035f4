import { attemptIn } from '../../model/attempt.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import { isMark, type SenderMark } from '../../model/sender.ts';
import { callCost, tokenCount } from './amount-values.ts';
import { type CallAmounts, callAmounts, genAiValues, nameIn } from './call-values.ts';

/** A model call that a log record reports. */
export interface LoggedCall {
  readonly attempt: number;
  readonly model: string | null;
  readonly amounts: CallAmounts;
  /** The same in each copy of the record, also one that another way has changed; undefined when nothing identifies the call. */
  readonly key?: string | undefined;
  /** An event of the GenAI conventions, not of one agent. */
  readonly isConvention?: boolean;
  /** Undefined: the trail. */
  readonly sender?: SenderMark | undefined;
}

type Read = (attributes: JsonObject) => Omit<LoggedCall, 'attempt' | 'sender'> | undefined;

/** Log events with the tokens of one call, by the name of the event. */
const CALL_EVENTS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['gen_ai.client.inference.operation.details', conventional],
  ['api_request', claudeCode],
  ['claude_code.api_request', claudeCode],
  ['codex.sse_event', codex],
  ['gemini_cli.api_response', gemini],
  ['qwen-code.api_response', gemini],
]);

/** The call that a stored line of a foreign record reports. */
export function loggedCall(line: unknown): LoggedCall | undefined {
  if (!isJsonObject(line) || typeof line.event !== 'string' || !isJsonObject(line.attributes))
    return undefined;
  const call = CALL_EVENTS.get(line.event)?.(line.attributes);
  if (call === undefined) return undefined;
  const sender = isMark(line.sender) ? line.sender : undefined;
  return { ...call, attempt: attemptIn(line.attempt) ?? 1, sender };
}

/** Whether the text of a stored line can be that of such a record: most lines need not be parsed. */
export function mayBeLoggedCall(text: string): boolean {
  return /"event":"(?:gen_ai\.client|api_request|claude_code\.api_r|codex\.sse_|gemini_cli\.api_|qwen-code\.api_)/.test(
    text,
  );
}

function conventional(attributes: JsonObject): ReturnType<Read> {
  const values = genAiValues(pairsOf(attributes), '');
  const amounts = callAmounts(values);
  if (amounts === undefined) return undefined;
  const model = nameIn(values, 'responseModel') ?? nameIn(values, 'requestModel');
  return { amounts, model, isConvention: true };
}

/** `input_tokens` is without cached input. */
function claudeCode(attributes: JsonObject): ReturnType<Read> {
  if (attributes.cost_usd === undefined && attributes.cache_read_tokens === undefined) return undefined;
  const read = tokensIn(attributes.cache_read_tokens);
  const written = tokensIn(attributes.cache_creation_tokens);
  const uncached = tokensIn(attributes.input_tokens);
  return reported(attributes, {
    costUsd: attributes.cost_usd === undefined ? null : callCost(attributes.cost_usd),
    inputTokens: uncached === null ? null : uncached + (read ?? 0) + (written ?? 0),
    outputTokens: tokensIn(attributes.output_tokens),
    cacheReadInputTokens: read,
    cacheCreationInputTokens: written,
  });
}

/** Two events for each answer; the second one has the tokens. Output includes reasoning. */
function codex(attributes: JsonObject): ReturnType<Read> {
  if (attributes['event.kind'] !== 'response.completed') return undefined;
  return reported(attributes, {
    costUsd: null,
    inputTokens: tokensIn(attributes.input_token_count),
    outputTokens: tokensIn(attributes.output_token_count),
    cacheReadInputTokens: tokensIn(attributes.cached_token_count),
    cacheCreationInputTokens: tokensIn(attributes.cache_write_token_count),
  });
}

/** Thoughts are billed as output and are not part of `output_token_count`. */
function gemini(attributes: JsonObject): ReturnType<Read> {
  const output = tokensIn(attributes.output_token_count);
  return reported(attributes, {
    costUsd: null,
    inputTokens: tokensIn(attributes.input_token_count),
    outputTokens: output === null ? null : output + (tokensIn(attributes.thoughts_token_count) ?? 0),
    cacheReadInputTokens: tokensIn(attributes.cached_content_token_count),
    cacheCreationInputTokens: null,
  });
}

function reported(attributes: JsonObject, amounts: CallAmounts): ReturnType<Read> {
  if ((amounts.inputTokens ?? 0) === 0 && (amounts.outputTokens ?? 0) === 0) return undefined;
  const model = nameIn(genAiValues([['gen_ai.request.model', attributes.model ?? null]], ''), 'requestModel');
  return { amounts, model, key: keyOf(attributes, amounts) };
}

/** The agent's own id of the request, else its own time of it: a relay may change the rest of a record. */
function keyOf(attributes: JsonObject, { inputTokens, outputTokens }: CallAmounts): string | undefined {
  const session = attributes['session.id'] ?? attributes['conversation.id'] ?? '';
  const { request_id: request, 'event.timestamp': time } = attributes;
  if (typeof request === 'string' && request !== '') return JSON.stringify([session, request]);
  if (typeof time !== 'string' || time === '') return undefined;
  return JSON.stringify([session, time, attributes.model ?? null, inputTokens, outputTokens]);
}

function tokensIn(value: JsonValue | undefined): number | null {
  return value === undefined ? null : tokenCount(value);
}

function* pairsOf(attributes: JsonObject): Generator<readonly [string, JsonValue]> {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) yield [name, value];
}
