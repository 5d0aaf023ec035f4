import type { FinalResult, Metadata } from '../../model/documents.ts';
import { isJsonObject, type JsonObject } from '../../model/json.ts';
import type { ReceivedSpan } from '../../model/otlp.ts';
import { type GenAiSpan, readGenAiSpan } from '../../project/genai/call-span.ts';
import { GenAiUsage } from '../../project/genai/call-usage.ts';
import { loggedCall } from '../../project/genai/tool-lines.ts';
import { isOwnScope } from '../../project/span.ts';
import type { NewLine } from './line-file.ts';
import { traceKey } from './line-keys.ts';
import { recordLine } from './line-limit.ts';

/** Value of `source` in lines that telemetry reports. */
const REPORTED = 'telemetry';

type OutputLine = JsonObject & { readonly timestamp: string; readonly event_id: string };

/** The model calls and tool calls of one task: of its stored spans and lines, and of new ones. */
export class TaskTelemetry {
  readonly #usage = new GenAiUsage();
  /** Names of the tools by the id of their call. */
  readonly #tools = new Map<string, string | undefined>();
  /** Ids of calls with a result. */
  readonly #results = new Set<string>();
  /** Event ids of the lines that come from telemetry, by type and call. */
  readonly #reported = new Map<string, string>();
  #superseded: string[] = [];
  #completed = 0;

  /** Reads a stored line of `trace.jsonl`; the line is unchecked. */
  readSpan(line: unknown): void {
    const received: ReceivedSpan | undefined = receivedSpanOf(line);
    if (received !== undefined) this.#usage.add(readGenAiSpan(received, isOwnScope(received.scope)));
  }

  /** Reads a stored line of `03-agent-output.jsonl`; the line is unchecked. */
  readLine(line: unknown): void {
    if (isJsonObject(line)) this.#remember(line);
  }

  addSpan(span: GenAiSpan): void {
    this.#usage.add(span);
  }

  /** Whether spans or records came since the last `complete` that may change the documents. */
  get hasNews(): boolean {
    return !this.#usage.isEmpty && this.#usage.revision !== this.#completed;
  }

  /** Whether a line has this tool call, or its result, already. */
  hasReported({ type, tool_use_id: id }: JsonObject): boolean {
    return typeof id === 'string' && (type === 'tool_call' ? this.#tools : this.#results).has(id);
  }

  /** The line to store. `known`: a tool call or its result that another line has already; `long`: readers would skip it. */
  lineOf(line: OutputLine, isReported: boolean): NewLine | 'known' | 'long' {
    if (!isReported) return this.#stored(line);
    const { tool_use_id: id, tool_name: name } = line;
    if (typeof id !== 'string' || this.hasReported(line)) return 'known';
    const known = this.#tools.get(id);
    return this.#stored(line, name === undefined && known !== undefined ? { tool_name: known } : undefined);
  }

  #stored(line: OutputLine, more?: JsonObject): NewLine | 'long' {
    const stored = recordLine(more === undefined ? line : { ...line, ...more });
    if (stored === undefined) return 'long';
    this.#remember(line);
    return stored;
  }

  /** The documents with the model and the amounts that only telemetry reports. */
  complete<R extends FinalResult | undefined>(
    metadata: Metadata,
    result: R,
  ): { readonly metadata: Metadata; readonly finalResult: R | FinalResult } {
    this.#completed = this.#usage.revision;
    const finalResult = result === undefined ? result : this.#usage.result(result, metadata.attempt);
    return { metadata: this.#usage.metadata(metadata), finalResult };
  }

  /** Event ids of stored lines whose call the agent's output had later: telemetry was faster. Each is returned once. */
  takeSuperseded(): readonly string[] {
    const ids = this.#superseded;
    if (ids.length > 0) this.#superseded = [];
    return ids;
  }

  #compare(call: string, { source, event_id: eventId }: JsonObject): void {
    const reported = this.#reported.get(call);
    if (source === REPORTED) {
      if (reported === undefined && typeof eventId === 'string') this.#reported.set(call, eventId);
    } else if (reported !== undefined) {
      this.#reported.delete(call);
      this.#superseded.push(reported);
    }
  }

  #remember(line: JsonObject): void {
    const { type, tool_use_id: id, tool_name: name, event_id: eventId } = line;
    if (type === 'system') {
      const call = loggedCall(line);
      if (call !== undefined && typeof eventId === 'string') this.#usage.addLogged(eventId, call);
    }
    if (typeof id !== 'string') return;
    this.#compare(`${String(type)} ${id}`, line);
    if (type === 'tool_result') this.#results.add(id);
    else if (type === 'tool_call') this.#tools.set(id, typeof name === 'string' ? name : undefined);
  }
}

/** The span of a trace line that has a `traceKey`. Attributes and scope are unchecked. */
function receivedSpanOf(line: unknown): ReceivedSpan | undefined {
  if (traceKey(line) === undefined) return undefined;
  // `traceKey` has read the same path.
  const [{ resource, scopeSpans }] = (line as TraceLine).resourceSpans;
  const [{ scope, spans }] = scopeSpans;
  return { resource, scope, span: spans[0] };
}

interface TraceLine {
  readonly resourceSpans: readonly [
    {
      readonly resource: ReceivedSpan['resource'];
      readonly scopeSpans: readonly [
        { readonly scope: ReceivedSpan['scope']; readonly spans: readonly [ReceivedSpan['span']] },
      ];
    },
  ];
}
