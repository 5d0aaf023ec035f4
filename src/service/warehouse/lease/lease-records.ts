import type { Resource } from '@opentelemetry/resources';
import { messageOf, TasktrailError } from '../../../errors.ts';
import { OtelRecorder } from '../../../export/otel-recorder.ts';
import { type JournalEntry, sourceLine, spanEntry, type TelemetrySource } from '../../../journal/line.ts';
import type { BatchEntry } from '../../../journal/segment-reader.ts';
import { ATTR } from '../../../model/attributes.ts';
import { canonicalJson } from '../../../model/canonical-json.ts';
import type { Fact } from '../../../model/fact.ts';
import type { OtlpSpan } from '../../../model/otlp.ts';
import { sha256 } from '../../../model/sha256.ts';
import { isStorable } from '../../../receive/records.ts';
import type { Sink } from '../../../receive/sink.ts';
import { activeRecorder, type Recorder, setRecorder } from '../../../record/recorder.ts';
import { takeIntoStore } from '../../../trail/thread/own-store.ts';
import type { Term } from './redis-lease.ts';

/** What tells facts of one name about one thing apart; the rest of them follows from it. */
const IDENTITY = [ATTR.taskId, ATTR.attempt, ATTR.workflowId, ATTR.eventAttempt, ATTR.sender] as const;

/** Digits of a ULID. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ID_DIGITS = 26;

export interface LeaseRecordsOptions {
  readonly sink: Sink;
  readonly resource: Resource;
  /** Resource and scope of spans. */
  readonly source: TelemetrySource;
  /** They are stored, but for some that the store has refused. */
  onStored(entries: readonly BatchEntry[], rejected: number): void;
  log(line: string): void;
}

/**
 * The records of the service that holds the lease, which go straight into the store. Two services that both took themselves for
 * the holder give a fact the same id: it is read once.
 */
export class LeaseRecords {
  readonly #options: LeaseRecordsOptions;
  readonly #recorder: Recorder;
  #entries: BatchEntry[] = [];

  constructor(options: LeaseRecordsOptions) {
    this.#options = options;
    const recorder = new OtelRecorder({
      resource: options.resource,
      isAlone: true,
      journal: {
        append: (source, entry) => this.#add(source, entry),
        flush: () => {},
        synced: async () => {},
      },
    });
    this.#recorder = {
      emit: (fact) => recorder.emit({ ...fact, eventId: derivedEventId(fact) }),
      startSpan: (start) => recorder.startSpan(start),
      flush: () => {},
      synced: async () => {},
    };
  }

  /** Stores what `fn` records before it returns. Rejects without the lease, and when the store does not take it: nothing counts as recorded then. */
  async record(term: Term, fn: () => void): Promise<void> {
    this.#entries = [];
    const before = activeRecorder();
    setRecorder(this.#recorder);
    try {
      fn();
    } finally {
      setRecorder(before);
    }
    const entries = this.#entries;
    this.#entries = [];
    await this.#store(term, entries);
  }

  /** The same for spans. */
  async addSpans(term: Term, spans: readonly OtlpSpan[]): Promise<void> {
    const { source } = this.#options;
    await this.#store(
      term,
      spans.map((span) => batchEntry(source, spanEntry(span))),
    );
  }

  #add(source: TelemetrySource, entry: JournalEntry): void {
    this.#entries.push(batchEntry(source, entry));
  }

  async #store(term: Term, all: readonly BatchEntry[]): Promise<void> {
    const { sink, onStored, log } = this.#options;
    const entries = all.filter(isStorable);
    if (entries.length < all.length)
      log(`${all.length - entries.length} records of a lost process are too long`);
    if (entries.length === 0) return;
    // Asked last: a service that was stopped before this goes on here.
    if (!(await term.confirm())) throw refused('another service holds the lease, or Redis is away');
    const result = await takeIntoStore(sink, entries);
    if (result?.kind === 'accepted') {
      onStored(entries, result.rejected);
      if (result.rejected > 0) log(`records of a lost process were refused: ${result.reason ?? ''}`);
      return;
    }
    throw refused(result !== undefined && 'reason' in result ? messageOf(result.reason) : 'not stored');
  }
}

function refused(reason: string): TasktrailError {
  return new TasktrailError('ERR_STORE_UNAVAILABLE', reason, { retryable: true });
}

function batchEntry(source: TelemetrySource, { kind, json }: JournalEntry): BatchEntry {
  // `C{...}` and a newline: the members of the object alone.
  return { kind, json, source: sourceLine(source).slice(2, -2) };
}

/** A ULID that every service derives from what the fact is about. */
function derivedEventId({ eventName, attributes, shared }: Fact): string {
  const about = IDENTITY.map((name) => attributes[name] ?? shared?.[name] ?? null);
  const hash = sha256(canonicalJson(['lease', eventName, ...about]));
  const digits = [...hash.slice(0, ID_DIGITS * 2)].map((digit) => Number.parseInt(digit, 16));
  let id = '';
  for (let at = 0; at < ID_DIGITS; at += 1) {
    const value = ((digits[2 * at] ?? 0) * 16 + (digits[2 * at + 1] ?? 0)) % (at === 0 ? 8 : 32);
    id += DIGITS.charAt(value);
  }
  return id;
}
