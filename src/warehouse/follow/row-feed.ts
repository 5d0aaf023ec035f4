import { TasktrailError } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import type { WorkflowFact } from '../../project/change.ts';
import { envelopeOf } from '../../project/workflow-envelope.ts';
import { WorkflowFold } from '../../project/workflow-fold.ts';
import type { FeedReader, PlacedFeedPage } from '../../store/read/feed-reader.ts';
import { ChangeSignal, type Watch } from '../../store/read/follow/change-signal.ts';
import { parseFact } from '../../store/workflow-fact-line.ts';
import { jsonLine } from '../../store/write/lines/line-keys.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS } from '../rows.ts';
import { FollowedRows, type PlacedRow } from './followed-rows.ts';
import { GotLines } from './got-lines.ts';
import { type NumberedLine, numberedLines } from './numbered-rows.ts';
import type { RowPoll } from './row-poll.ts';

/** Readers look again after this long also when nothing has come: a workflow is over after a quiet time. */
const WAKE_MS = 1_000;

/** What is known is kept this long after the last reader, who may ask for the next page. */
const LINGER_MS = 10_000;

export interface RowFeedOptions {
  readonly logs: VictoriaLogs;
  readonly poll: RowPoll;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Placed {
  readonly text: string;
  readonly cursor: string;
  /** Whether another event of the same line follows. */
  readonly isInside: boolean;
}

/** The events of all workflows in the order in which they become visible, each once. A cursor names what a reader has got. */
export class RowFeed implements FeedReader {
  readonly #logs: VictoriaLogs;
  readonly #poll: RowPoll;
  readonly #now: () => number;
  #rows: FollowedRows | undefined;
  #watches = 0;
  #lingering: NodeJS.Timeout | undefined;
  readonly #signal = new ChangeSignal();

  constructor({ logs, poll, now }: RowFeedOptions) {
    this.#logs = logs;
    this.#poll = poll;
    this.#now = now;
  }

  watch(): Watch {
    this.#watches += 1;
    const timer = setInterval(() => this.#signal.wake(), WAKE_MS).unref();
    // Before the first reading: nothing is missed in between. One that fails is tried again by the reader.
    this.#followed().catch(() => undefined);
    const signal = this.#signal;
    let isClosed = false;
    return {
      get version() {
        return signal.version;
      },
      changed: (seen, aborted) => (isClosed ? Promise.resolve() : signal.changed(seen, aborted)),
      close: () => {
        if (isClosed) return;
        isClosed = true;
        clearInterval(timer);
        this.#watches -= 1;
        signal.wake();
        this.#linger();
      },
    };
  }

  async end(): Promise<string> {
    return cursorOf((await this.#followed()).got.text);
  }

  async read({ after = '', type, limit }: Parameters<FeedReader['read']>[0]): Promise<PlacedFeedPage> {
    const place = after === '' ? '0' : placeIn(after);
    const rows = await this.#followed();
    const found: Placed[] = [];
    let next = place;
    while (found.length < limit) {
      const piece = await rows.read(next);
      const events = await this.#eventsOf(piece.lines, next);
      found.push(
        ...events.filter(({ text }) => type === undefined || parseObject(text)?.event_type === type),
      );
      const isEnd = piece.next === next;
      next = piece.next;
      if (isEnd) break;
    }
    const page = found.slice(0, endOfPage(found, limit));
    return {
      items: page.map(({ text }) => text),
      cursors: page.map(({ cursor }) => cursor),
      nextCursor: page.length < found.length ? (page.at(-1)?.cursor ?? after) : cursorOf(next),
    };
  }

  async #followed(): Promise<FollowedRows> {
    clearTimeout(this.#lingering);
    let rows = this.#rows;
    if (rows === undefined) {
      const scope = { kinds: ['event' as const], unit: undefined };
      rows = new FollowedRows({ logs: this.#logs, scope, now: this.#now, show: undefined });
      this.#rows = rows;
    }
    try {
      await rows.open();
    } catch (error) {
      if (this.#rows === rows) this.#rows = undefined;
      throw error;
    }
    if (this.#rows === rows)
      this.#poll.add({ rows, changed: () => this.#signal.wake(), looked: () => undefined });
    this.#linger();
    return rows;
  }

  #linger(): void {
    clearTimeout(this.#lingering);
    if (this.#watches > 0) return;
    this.#lingering = setTimeout(() => {
      if (this.#rows !== undefined) this.#poll.remove(this.#rows);
      this.#rows = undefined;
    }, LINGER_MS).unref();
  }

  /** What the lines behind a place bring: of repeats, and of events with one key, the first one. */
  async #eventsOf(lines: readonly PlacedRow[], after: string): Promise<readonly Placed[]> {
    const before = GotLines.parse(after) ?? new GotLines();
    const byWorkflow = new Map<string, PlacedRow[]>();
    for (const placed of lines) {
      const { unit } = placed.line;
      byWorkflow.set(unit, [...(byWorkflow.get(unit) ?? []), placed]);
    }
    const events = new Map<PlacedRow, readonly string[]>();
    await mapBounded([...byWorkflow], async ([id, placed]) => {
      const query = `${rowsOfUnit(['event'], id)} run:* | fields ${LINE_FIELDS}`;
      const stored = numberedLines(await this.#logs.rows(query));
      const replay = new FeedReplay(id);
      for (const line of stored) if (before.has(line)) replay.add(line);
      for (const one of placed) events.set(one, replay.add(one.line));
    });
    return lines.flatMap((placed, number) => {
      const texts = events.get(placed) ?? [];
      const start = lines[number - 1]?.place ?? after;
      // Of several events of one line the last one ends it.
      return texts.map((text, at) => ({
        text,
        cursor: cursorOf(at === texts.length - 1 ? placed.place : start),
        isInside: at < texts.length - 1,
      }));
    });
  }
}

/** Adds the events of a workflow one by one, as the store does that appends them to the files of the feed. */
class FeedReplay {
  readonly #fold: WorkflowFold;
  readonly #given = new Set<string>();

  constructor(workflowId: string) {
    this.#fold = new WorkflowFold(workflowId, sha256);
  }

  /** The events that are new with a line. */
  add({ text = '' }: NumberedLine): readonly string[] {
    const fact = parseFact(text);
    if (fact === undefined) return [];
    const from = this.#fold.add([fact]);
    const placed = this.#fold.placed.slice(from);
    const given = placed.filter((one) => this.#given.has(one.fact.event_id));
    const keys = new Set(given.map(({ fact: one, key }) => keyOf(one, key)));
    const added = placed.filter(
      ({ fact: one, key, isKept }) => isKept && !this.#given.has(one.event_id) && !keys.has(keyOf(one, key)),
    );
    for (const { fact: one } of added) this.#given.add(one.event_id);
    return added.map((one) => jsonLine(envelopeOf(one)).text);
  }
}

/** A page ends with the last event of a line. */
function endOfPage(found: readonly Placed[], limit: number): number {
  let end = Math.min(limit, found.length);
  while (found[end - 1]?.isInside === true) end += 1;
  return end;
}

function keyOf({ sender }: WorkflowFact, key: string): string {
  return `${sender} ${key}`;
}

/** Letters, digits, `-` and `_`. */
function cursorOf(place: string): string {
  return place.replaceAll('.', '-');
}

function placeIn(cursor: string): string {
  const place = cursor.replaceAll('-', '.');
  if (cursor.includes('.') || GotLines.parse(place) === undefined)
    throw new TasktrailError('ERR_INPUT_INVALID', 'after: must be the next_cursor of an earlier page');
  return place;
}
