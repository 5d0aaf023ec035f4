import { isTurnOver, nextTurn } from '../../system/turns.ts';
import { ArrivalClock } from '../arrival.ts';
import type { VictoriaLogs } from '../client.ts';
import { type NewLine, rowsOf } from '../rows.ts';
import { LineRuns } from './line-runs.ts';

/** Characters of one request to VictoriaLogs. */
const REQUEST_CHARS_MAX = 4 * 1_048_576;

/** Lines between two looks at the clock. */
const STEP_LINES = 16;

/** Stores lines: each with a time of its own and the number by which it is followed. Calls may overlap. */
export class RowWriter {
  readonly #logs: VictoriaLogs;
  readonly #clock: ArrivalClock;
  readonly #runs = new LineRuns();

  /** `now`: milliseconds since the epoch. */
  constructor(logs: VictoriaLogs, now: () => number) {
    this.#logs = logs;
    this.#clock = new ArrivalClock(now);
  }

  /** Resolves when VictoriaLogs has accepted the lines. After an error a part of them may be stored. */
  async store(lines: readonly NewLine[]): Promise<void> {
    try {
      let text = '';
      for (const [index, line] of lines.entries()) {
        const fields = { ...line.fields, ...this.#runs.numberOf(line) };
        text += rowsOf({ ...line, fields }, this.#clock.next());
        if (index % STEP_LINES === 0 && isTurnOver()) await nextTurn();
        if (text.length < REQUEST_CHARS_MAX) continue;
        await this.#logs.insert(text);
        text = '';
      }
      if (text !== '') await this.#logs.insert(text);
    } catch (error) {
      this.#runs.restart();
      throw error;
    }
  }
}
