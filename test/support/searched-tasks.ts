import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src/model/json.ts';

export interface SearchedTask {
  readonly id: string;
  readonly at?: string;
  readonly metadata?: JsonObject;
  readonly message?: string;
  readonly repo?: string;
  /** More of `source_metadata`. */
  readonly origin?: JsonObject;
  /** Undefined: it still runs. */
  readonly result?: JsonObject;
  readonly lines?: readonly JsonObject[];
}

/** Writes the files of a task as the store would. */
export function writeTask(logDir: string, task: SearchedTask): void {
  const { id, at = '2026-01-01T00:00:00.000Z', metadata, message, repo, origin, result, lines = [] } = task;
  const dir = join(logDir, id);
  mkdirSync(dir, { recursive: true });
  const put = (name: string, text: string): void => writeFileSync(join(dir, name), text);
  const source = { repo: repo ?? null, ...origin };
  if (message !== undefined || repo !== undefined || origin !== undefined)
    put('01-input.json', `${JSON.stringify({ message: message ?? '', source_metadata: source })}\n`);
  if (lines.length > 0)
    put('03-agent-output.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  if (result !== undefined) put('04-final-result.json', `${JSON.stringify(result)}\n`);
  const status = result === undefined ? 'running' : result.success === true ? 'completed' : 'failed';
  const settled = result !== undefined;
  put(
    'metadata.json',
    `${JSON.stringify({ task_id: id, created_at: at, status, attempt: 1, workflow_ids: [], settled, ...metadata })}\n`,
  );
}

export function outputLine(content: string, type = 'output'): JsonObject {
  return { timestamp: '2026-01-01T00:00:00.000Z', type, content };
}

export function toolCall(name: string, input: JsonObject): JsonObject {
  return { timestamp: '2026-01-01T00:00:00.000Z', type: 'tool_call', tool_name: name, tool_input: input };
}

export function result(success: boolean, metrics: JsonObject = {}, more: JsonObject = {}): JsonObject {
  return { success, result: null, error: null, metrics, completed_at: '2026-01-01T00:01:00.000Z', ...more };
}
