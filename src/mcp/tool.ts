import type { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { isJsonObject } from '../model/json.ts';
import { QueryError } from '../model/query-error.ts';
import { firstOfText } from '../model/text.ts';
import { problemStatus } from '../serve/problem.ts';
import { describeIssues } from '../serve/query.ts';
import type { McpReader, McpSource } from './mcp-reader.ts';
import { type Answer, answerText } from './tool-answer.ts';
import { visibleLine } from './visible-text.ts';

export interface ToolContext {
  readonly reader: McpReader;
  readonly readHealth: McpSource['readHealth'];
  /** Aborted when the client has cancelled the call, or has gone. */
  readonly signal: AbortSignal;
}

export interface ToolDefinition<Arguments> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly schema: z.ZodType<Arguments>;
  run(given: Arguments, context: ToolContext): Promise<Answer>;
}

export interface Tool extends Pick<ToolDefinition<unknown>, 'name' | 'title' | 'description' | 'schema'> {
  call(given: unknown, context: ToolContext): Promise<string>;
}

/** A tool that checks its arguments. `call` throws `ERR_INPUT_INVALID` naming an invalid or unknown one. */
export function defineTool<Arguments>(definition: ToolDefinition<Arguments>): Tool {
  const { name, title, description, schema } = definition;
  return {
    name,
    title,
    description,
    schema,
    call: async (given, context) => {
      const parsed = schema.safeParse(given ?? {});
      if (!parsed.success) throw new TasktrailError('ERR_INPUT_INVALID', describeIssues(parsed.error));
      return answerText(await definition.run(parsed.data, context));
    },
  };
}

/** Characters of a query before and behind its mistake. */
const AROUND = 40;

const MESSAGE_CHARS_MAX = 1_000;

/** What a client reads about an error; undefined for a defect. A mistake in a query is shown at its place. */
export function errorText(error: unknown, given: unknown): string | undefined {
  if (!(error instanceof TasktrailError) || problemStatus(error) === 500) return undefined;
  const message = `${error.code}: ${visibleLine(firstOfText(error.message, MESSAGE_CHARS_MAX))}`;
  const q = isJsonObject(given) ? given.q : undefined;
  return error instanceof QueryError && typeof q === 'string'
    ? `${message}\n${pointAt(q, error.position)}`
    : message;
}

/** The query around a character, counted from 1, and below it a line that points at the character. */
function pointAt(q: string, position: number): string {
  const characters = [...q];
  const at = position - 1;
  const from = Math.max(0, at - AROUND);
  const before = `${from > 0 ? '...' : ''}${visibleLine(characters.slice(from, at).join(''))}`;
  const behind = visibleLine(characters.slice(at, at + AROUND).join(''));
  return `  ${before}${behind}${characters.length > at + AROUND ? '...' : ''}\n  ${' '.repeat(before.length)}^`;
}
