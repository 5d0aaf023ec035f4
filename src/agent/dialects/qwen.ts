import type { Usage } from '../../model/documents.ts';
import { type JsonObject, objectOf } from '../../model/json.ts';
import { ClaudeReader } from './claude.ts';
import { modelUsageOf, type ResultCounts } from './claude-result.ts';
import { type Dialect, UNKNOWN_USAGE } from './dialect.ts';
import { amount, difference, isUnknown, SessionUsage } from './usage-counts.ts';

/** Qwen Code with `--output-format stream-json`: the messages of Claude Code, with the token counts of Gemini CLI. */
export const qwen: Dialect = {
  name: 'qwen',
  open: () => new ClaudeReader(new QwenCounts()),
  recognises: ({ type, subtype, qwen_code_version: version, permission_mode: mode, session_id: id }) =>
    type === 'system' &&
    typeof id === 'string' &&
    (subtype === 'session_start' || typeof version === 'string' || typeof mode === 'string'),
};

/** `usage` covers the session so far, sub-agents included. */
class QwenCounts implements ResultCounts {
  readonly isCachedExtra = false;
  readonly #sessions = new SessionUsage();

  add(line: JsonObject): void {
    const session = typeof line.session_id === 'string' ? line.session_id : '';
    const usage = usageOf(line);
    this.#sessions.report(session, isUnknown(usage) ? (modelUsageOf(line) ?? UNKNOWN_USAGE) : usage);
  }

  total(): Usage {
    return this.#sessions.total() ?? UNKNOWN_USAGE;
  }
}

/** `input_tokens` includes cached input, unlike Claude Code's. */
function usageOf(line: JsonObject): Usage {
  const said = objectOf(line.usage);
  const inputTokens = amount(said.input_tokens);
  return {
    costUsd: null,
    inputTokens,
    // The total includes thoughts, which are billed as output.
    outputTokens: difference(amount(said.total_tokens), inputTokens) ?? amount(said.output_tokens),
    cacheReadInputTokens: amount(said.cache_read_input_tokens),
    cacheCreationInputTokens: amount(said.cache_creation_input_tokens),
  };
}
