import { isoFromMs } from '../../model/time.ts';
import { arrivalOf } from '../arrival.ts';
import type { Row, VictoriaLogs } from '../client.ts';

export interface RowCountsOptions {
  /** LogsQL that selects rows. */
  readonly rows: string;
  /** Fields by which they are counted. */
  readonly by: readonly string[];
  /** Rows are counted by pieces of time, because those that came at one time become visible one after the other. */
  readonly pieceMs: number;
}

/** Rows of one group and one piece of time that were not there the last time. */
export interface GrownCount {
  /** The fields of the group. */
  readonly group: Row;
  readonly more: number;
  /** When the last of them came, as `arrivalOf`. */
  readonly latest: string;
}

/** What has become visible since the last look: rows are counted, and the numbers compared. */
export class RowCounts {
  readonly #logs: VictoriaLogs;
  readonly #options: RowCountsOptions;
  /** By the beginning of the piece, as `arrivalOf`, then by group. */
  readonly #pieces = new Map<string, Map<string, number>>();

  constructor(logs: VictoriaLogs, options: RowCountsOptions) {
    this.#logs = logs;
    this.#options = options;
  }

  /**
   * Looks at the rows that came since then, or a part of a piece earlier. Throws `ERR_STORE_UNAVAILABLE`: the next look has what
   * this one would have had.
   */
  async look(fromMs: number): Promise<readonly GrownCount[]> {
    const { rows, by, pieceMs } = this.#options;
    const from = isoFromMs(this.startOf(fromMs));
    // As a whole: rows of an answer that breaks off would be counted twice.
    const counted = await this.#logs.rows(
      `${rows} _time:>=${from} | stats by (${by.join(', ')}, _time:${pieceMs / 1_000}s) count() rows, max(_time) latest`,
    );
    const grown: GrownCount[] = [];
    for (const { rows: count, latest, ...group } of counted) {
      const start = arrivalOf(group);
      const piece = this.#pieces.get(start) ?? new Map<string, number>();
      this.#pieces.set(start, piece);
      const key = JSON.stringify(by.map((field) => group[field] ?? ''));
      const more = Number(count) - (piece.get(key) ?? 0);
      if (more === 0) continue;
      piece.set(key, Number(count));
      if (more > 0) grown.push({ group, more, latest: arrivalOf({ _time: latest }) });
    }
    return grown;
  }

  /** Pieces before that of this time are not looked at again. */
  forgetBefore(ms: number): void {
    const oldest = arrivalOf({ _time: isoFromMs(this.startOf(ms)) });
    for (const start of this.#pieces.keys()) if (start < oldest) this.#pieces.delete(start);
  }

  /** The beginning of the piece of this time. */
  startOf(ms: number): number {
    const { pieceMs } = this.#options;
    return Math.floor(ms / pieceMs) * pieceMs;
  }
}
