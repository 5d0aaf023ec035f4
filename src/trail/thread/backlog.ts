import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cursorFileName } from '../../journal/cursor-files.ts';
import { HOLDER } from '../../journal/destination.ts';
import { parseSegmentName } from '../../journal/segment-name.ts';
import { BATCH_BYTES_MAX, SegmentReader } from '../../journal/segment-reader.ts';
import { parseObject } from '../../model/json.ts';
import { readText } from '../../system/durable.ts';
import { namesIn } from '../../system/files/optional-files.ts';

/** What a busy process has not sent at one moment is less. */
const WAITING_BYTES = BATCH_BYTES_MAX;

/** A backlog that does not move for this long is one that its process cannot send: tasks are not kept open for it. */
const STILL_MS = 60_000;

/** The records in the journals of a log directory that its holder has not stored yet. */
export class Backlog {
  readonly #directory: string;
  readonly #now: () => number;
  /** Where the backlog stood, and since when. */
  #place = '';
  #sinceMs = 0;

  constructor(directory: string, now: () => number = () => performance.now()) {
    this.#directory = directory;
    this.#now = now;
  }

  /** Whether so much waits, and moves, that the end of any task may be in it. Never rejects. */
  async isMoving(): Promise<boolean> {
    const place = await this.#look().catch(() => undefined);
    if (place === undefined) return false;
    if (place !== this.#place) this.#sinceMs = this.#now();
    this.#place = place;
    return this.#now() - this.#sinceMs < STILL_MS;
  }

  /** A text that changes when records are sent; undefined when little waits. */
  async #look(): Promise<string | undefined> {
    let bytes = 0;
    const places: string[] = [];
    for (const name of (await namesIn(this.#directory)).sort()) {
      const id = parseSegmentName(name)?.id;
      if (id === undefined) continue;
      const { sent, waiting } = await this.#waiting(name, id);
      if (waiting === 0) continue;
      places.push(`${id} ${sent}`);
      bytes += waiting;
      // The first ones are sent first.
      if (bytes > WAITING_BYTES) return places.join();
    }
    return undefined;
  }

  async #waiting(name: string, id: string): Promise<{ sent: number; waiting: number }> {
    const path = join(this.#directory, name);
    try {
      const { size } = await stat(path);
      const cursors = parseObject(await readText(join(this.#directory, cursorFileName(id)))) ?? {};
      const sent = typeof cursors[HOLDER] === 'number' ? cursors[HOLDER] : 0;
      if (sent >= size) return { sent, waiting: 0 };
      const header = await SegmentReader.check(path);
      const isForHolder = header === undefined || header.destinations.includes(HOLDER);
      return { sent, waiting: isForHolder ? size - sent : 0 };
    } catch {
      // Sent meanwhile; or it is unreadable, and nothing of it comes.
      return { sent: 0, waiting: 0 };
    }
  }
}
