import type { FinalResult, Metadata } from '../../../model/documents.ts';
import { isJsonObject, type JsonObject } from '../../../model/json.ts';
import type { ReceivedSpan } from '../../../model/otlp.ts';
import { compareMarks, isMark, type SenderMark } from '../../../model/sender.ts';
import type { TaskLine } from '../../../project/change.ts';
import { type GenAiSpan, readGenAiSpan } from '../../../project/genai/call-span.ts';
import { GenAiUsage } from '../../../project/genai/call-usage.ts';
import { withCostBasis } from '../../../project/genai/cost-basis.ts';
import { loggedCall } from '../../../project/genai/logged-call.ts';
import { isOwnScope } from '../../../project/span.ts';
import type { NewLine } from '../lines/line-file.ts';
import { traceKey } from '../lines/line-keys.ts';
import { recordLine } from '../lines/line-limit.ts';
import { keyOf } from '../lines/sent-line.ts';

/** Value of `source` in lines that telemetry reports. */
const REPORTED = 'telemetry';

/** The model calls and tool calls of one task: of its stored spans and lines, and of new ones. */
export class TaskTelemetry {
  readonly #usage = new GenAiUsage();
  /** Tool calls by their id: of several lines that of the sender with the most rights. */
  readonly #tools = new Map<string, Said>();
  /** Results by the id of their call. */
  readonly #results = new Map<string, Said>();
  /** The lines that come from telemetry, by type and call. */
  readonly #reported = new Map<string, Said & { readonly key: string }>();
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

  /** Another sender than an anonymous one has opened the task: what anonymous ones reported no longer counts. */
  claim(): void {
    this.#usage.claim();
  }

  /** Whether spans or records came since the last `complete` that may change the documents. */
  get hasNews(): boolean {
    return !this.#usage.isEmpty && this.#usage.revision !== this.#completed;
  }

  /** Whether a line of a sender with as many rights has this tool call, or its result, already. */
  hasReported({ type, tool_use_id: id, sender }: TaskLine): boolean {
    const known = typeof id === 'string' && (type === 'tool_call' ? this.#tools : this.#results).get(id);
    return known !== undefined && known !== false && compareMarks(known.sender, sender) <= 0;
  }

  /** The line to store. `known`: a tool call or its result that another line has already; `long`: readers would skip it. */
  lineOf(line: TaskLine, isReported: boolean): NewLine | 'known' | 'long' {
    if (!isReported) return this.#stored(line);
    const { tool_use_id: id, tool_name: name } = line;
    if (typeof id !== 'string' || this.hasReported(line)) return 'known';
    const known = this.#tools.get(id);
    const isNamed = known?.name !== undefined && compareMarks(known.sender, line.sender) <= 0;
    return this.#stored(line, name === undefined && isNamed ? { tool_name: known.name } : undefined);
  }

  #stored(line: TaskLine, more?: JsonObject): NewLine | 'long' {
    const stored = recordLine(more === undefined ? line : { ...line, ...more });
    if (stored === undefined) return 'long';
    this.#remember(line);
    return stored;
  }

  /** The documents with the model, the amounts that only telemetry reports, and the basis of the cost. `isCut`: spans were dropped. */
  complete<R extends FinalResult | undefined>(
    metadata: Metadata,
    result: R,
    isCut = false,
  ): { readonly metadata: Metadata; readonly finalResult: R | FinalResult } {
    this.#completed = this.#usage.revision;
    const { attempt } = metadata;
    const finalResult =
      result === undefined
        ? result
        : withCostBasis(result, this.#usage.result(result, attempt), {
            ...this.#usage.reported(result.metrics, attempt),
            isCut,
          });
    return { metadata: this.#usage.metadata(metadata), finalResult };
  }

  /** What all attempts have used so far, at least. */
  used(): { readonly usd: number; readonly tokens: number } | undefined {
    return this.#usage.isEmpty ? undefined : this.#usage.used();
  }

  /** Keys of stored lines whose call the agent's output had later: telemetry was faster. Each is returned once. */
  takeSuperseded(): readonly string[] {
    const ids = this.#superseded;
    if (ids.length > 0) this.#superseded = [];
    return ids;
  }

  #compare(call: string, source: unknown, said: Said & { readonly key: string | undefined }): void {
    const reported = this.#reported.get(call);
    const { key, sender } = said;
    if (source === REPORTED) {
      if (key !== undefined && isBetter(said, reported)) this.#reported.set(call, { key, sender });
    } else if (reported !== undefined && compareMarks(sender, reported.sender) <= 0) {
      this.#reported.delete(call);
      this.#superseded.push(reported.key);
    }
  }

  #remember(line: JsonObject): void {
    const { type, tool_use_id: id, tool_name: name, event_id: eventId, source } = line;
    if (type === 'system') {
      const call = loggedCall(line);
      if (call !== undefined && typeof eventId === 'string') this.#usage.addLogged(eventId, call);
    }
    if (typeof id !== 'string') return;
    const sender = isMark(line.sender) ? line.sender : undefined;
    const key = typeof eventId === 'string' ? keyOf(eventId, sender) : undefined;
    this.#compare(`${String(type)} ${id}`, source, { key, sender });
    const said = { sender, ...(typeof name === 'string' && { name }) };
    const calls = type === 'tool_result' ? this.#results : type === 'tool_call' ? this.#tools : undefined;
    if (calls !== undefined && isAsGood(said, calls.get(id))) calls.set(id, said);
  }
}

/** Who said something about a call. */
interface Said {
  /** Undefined: the trail. */
  readonly sender: SenderMark | undefined;
  readonly name?: string;
}

function isBetter({ sender }: Said, known: Said | undefined): boolean {
  return known === undefined || compareMarks(sender, known.sender) < 0;
}

/** Of lines by the same sender the later one names the tool. */
function isAsGood({ sender }: Said, known: Said | undefined): boolean {
  return known === undefined || compareMarks(sender, known.sender) <= 0;
}

/** The span of a trace line that has a `traceKey`. Attributes and scope are unchecked. */
export function receivedSpanOf(line: unknown): ReceivedSpan | undefined {
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
