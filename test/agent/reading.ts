import { readdirSync, readFileSync } from 'node:fs';
import type { Dialect, DialectReader } from '../../src/agent/dialects/dialect.ts';
import type { AgentOutput } from '../../src/model/agent-output.ts';

export interface Reading {
  readonly reader: DialectReader;
  readonly outputs: readonly AgentOutput[];
}

const SAMPLES = new URL('../samples/', import.meta.url);

/** The recordings of one agent, without the extension. */
export function recordingsIn(folder: string): readonly string[] {
  const files = readdirSync(new URL(folder, SAMPLES)).filter((name) => name.endsWith('.jsonl'));
  return files.map((name) => name.slice(0, -'.jsonl'.length)).sort();
}

/** Each line with its newline. */
export function linesOf(recording: string): readonly string[] {
  return readFileSync(new URL(`${recording}.jsonl`, SAMPLES), 'utf8').match(/.*\n|.+$/g) ?? [];
}

export function readLines(dialect: Dialect, lines: readonly string[]): Reading {
  const reader = dialect.open();
  const outputs = lines.flatMap((line) => reader.read(line, false));
  return { reader, outputs: [...outputs, ...reader.end()] };
}

export function readObjects(dialect: Dialect, ...objects: readonly unknown[]): Reading {
  return readLines(
    dialect,
    objects.map((object) => `${JSON.stringify(object)}\n`),
  );
}

/**
 * `tool_result Read toolu_1!`: type, tool, id of the call, and `!` for a failed tool. Other outputs: the type, and for a
 * `system` output its subtype in the agent's own terms.
 */
export function brief(output: AgentOutput): string {
  const more = output.more ?? {};
  const about = more.subtype ?? more.role ?? more.item_type ?? more.message_type;
  const words = [output.type, output.toolName, output.toolUseId];
  if (output.type === 'system' && about !== undefined) words.push(String(about));
  return words.filter((word) => word !== undefined).join(' ') + (output.isError === true ? '!' : '');
}
