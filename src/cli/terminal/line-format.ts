import type { OutputType } from '../../model/documents.ts';
import { type JsonObject, type JsonValue, objectOf } from '../../model/json.ts';
import { isMark, type SenderMark } from '../../model/sender.ts';
import { agentMessageText } from './agent-message.ts';
import { costText, countText, secondsText, UNKNOWN } from './amounts.ts';
import { escapeLine, escapeText, type Paint, type Style } from './terminal-text.ts';

/** Cells of the longest type, `tool_result`. */
const TYPE_WIDTH = 11;

const GAP = '  ';

/** Cells of `03:04:05.678`. */
const TIME_WIDTH = 12;

const INDENT = ' '.repeat(TIME_WIDTH + GAP.length + TYPE_WIDTH + GAP.length);

const OUTPUT_STYLES: Readonly<Record<OutputType, Style | undefined>> = {
  system: 'dim',
  thinking: 'magenta',
  output: undefined,
  tool_call: 'cyan',
  tool_result: 'blue',
  error: 'red',
  result: 'green',
};

const STATUS_STYLES: Readonly<Record<string, Style>> = { completed: 'green', cancelled: 'yellow' };

/** Fields of a stage that the line shows without their names, or not at all. */
const STAGE_OWN = new Set(['timestamp', 'stage', 'event_id', 'sender']);

/** What a line says whose record is not the trail's. */
const SENDERS: Readonly<Record<SenderMark, string>> = {
  agent: '[sent by the agent]',
  anonymous: '[sent without a token]',
};

/** Formats stored lines as text for a terminal. Control characters in recorded text are escaped. */
export interface LineFormat {
  stage(line: JsonObject): string;
  output(line: JsonObject): string;
  /** `04-final-result.json`. */
  final(result: JsonObject): string;
}

export function createLineFormat(paint: Paint): LineFormat {
  const block = (line: { time: unknown; type: string; style: Style | undefined; text: string }): string => {
    const type = escapeLine(line.type);
    const head = `${paint(timeText(line.time), 'dim')}${GAP}${paint(type, line.style)}`;
    if (line.text === '') return `${head}\n`;
    const blank = ' '.repeat(Math.max(0, TYPE_WIDTH - type.length));
    return `${head}${blank}${GAP}${line.text.replaceAll('\n', `\n${INDENT}`)}\n`;
  };
  return {
    stage: (line) => {
      const fields = Object.entries(line).filter(([name]) => !STAGE_OWN.has(name));
      const notes = senderNotes(line).map((note) => paint(note, 'yellow'));
      const text = [
        ...notes,
        escapeLine(typeof line.stage === 'string' ? line.stage : textOf(line.stage)),
        ...fields.map(fieldText),
      ].join(' ');
      return block({ time: line.timestamp, type: 'stage', style: 'yellow', text });
    },
    output: (line) => {
      const type = typeof line.type === 'string' ? line.type : UNKNOWN;
      const style =
        line.is_error === true ? 'red' : (severityStyle(line) ?? OUTPUT_STYLES[type as OutputType]);
      const senders = senderNotes(line).map((note) => paint(note, 'yellow'));
      const notes = notesOf(line).map((note) => paint(note, 'dim'));
      const name = nameOf(line);
      const names = name === '' ? [] : [paint(escapeLine(name), 'bold')];
      const first = [...senders, ...names, ...notes].join(' ');
      const content = contentOf(line, name);
      const text = [first, content]
        .filter((part) => part !== '')
        .join(content.includes('\n') && first ? '\n' : ' ');
      return block({ time: line.timestamp, type, style, text });
    },
    final: (result) => {
      const status = typeof result.status === 'string' ? result.status : UNKNOWN;
      const error =
        typeof result.error === 'string' ? `\n${paint(escapeText(result.error.trimEnd()), 'red')}` : '';
      const text = `${amountsText(objectOf(result.metrics))}${error}`;
      return block({ time: result.completed_at, type: status, style: STATUS_STYLES[status] ?? 'red', text });
    },
  };
}

/** `4.2s, $0.0234, 1.5k tokens in, 800 out`; unknown values are left out. */
export function amountsText(metrics: JsonObject): string {
  const { duration_seconds: seconds, cost_usd: cost, input_tokens: input, output_tokens: output } = metrics;
  const parts: string[] = [];
  if (typeof seconds === 'number') parts.push(secondsText(seconds));
  if (typeof cost === 'number') parts.push(costText(cost));
  if (typeof input === 'number') parts.push(`${countText(input)} tokens in`);
  if (typeof output === 'number')
    parts.push(typeof input === 'number' ? `${countText(output)} out` : `${countText(output)} tokens out`);
  return parts.join(', ');
}

function nameOf({ tool_name: name }: JsonObject): string {
  return typeof name === 'string' ? name : '';
}

/** Before all else: what follows is the sender's own text. */
function senderNotes({ sender }: JsonObject): readonly string[] {
  return isMark(sender) ? [SENDERS[sender]] : [];
}

function notesOf(line: JsonObject): readonly string[] {
  const notes: string[] = [];
  if (line.stream === 'stderr') notes.push('[stderr]');
  if (line.is_error === true) notes.push('[failed]');
  if (typeof line.severity === 'string') notes.push(`[${escapeLine(line.severity)}]`);
  if (typeof line.parent_tool_use_id === 'string') notes.push('[sub-agent]');
  if (line.truncated === true)
    notes.push(`[cut, ${escapeLine(textOf(line.original_bytes ?? '?'))} bytes in all]`);
  return notes;
}

/** Of a foreign log record: senders write the standard names, or their own. */
function severityStyle({ severity }: JsonObject): Style | undefined {
  if (typeof severity !== 'string') return undefined;
  if (/^(?:err|fatal|crit|alert|emerg)/i.test(severity)) return 'red';
  return /^warn/i.test(severity) ? 'yellow' : undefined;
}

/** The content without its last newline; for a tool call with its input, unless the content has it. */
function contentOf(line: JsonObject, name: string): string {
  const message = agentMessageText(line);
  if (message !== undefined) return escapeLine(message);
  const content = typeof line.content === 'string' ? line.content : textOf(line.content);
  const text = content.endsWith('\n') ? content.slice(0, -1) : content;
  if (line.type !== 'tool_call') return escapeText(text);
  // The content of some agents begins with the tool's name, which is printed before it.
  const call = name !== '' && text.startsWith(`${name} `) ? text.slice(name.length + 1) : text;
  const { tool_input: input } = line;
  if (input === undefined || input === null || /^[[{]/.test(call)) return escapeText(call);
  return escapeText([call, textOf(input)].filter((part) => part !== '' && part !== name).join(' '));
}

function fieldText([name, value]: readonly [string, JsonValue | undefined]): string {
  return `${escapeLine(name)}=${escapeLine(textOf(value))}`;
}

/** A string without spaces or quotes as it is, every other value as JSON. */
function textOf(value: JsonValue | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}

/** The time of day in UTC. A timestamp in another format is shown as it is. */
function timeText(time: unknown): string {
  if (typeof time !== 'string') return UNKNOWN.padEnd(TIME_WIDTH);
  const [, clock] = /^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{3})Z$/.exec(time) ?? [];
  return clock ?? escapeLine(time).padEnd(TIME_WIDTH);
}
