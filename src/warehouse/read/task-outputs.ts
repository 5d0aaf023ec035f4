import type { VictoriaLogs } from '../client.ts';
import { rowsOfUnit } from '../logsql.ts';
import { FlowView, TEXT_FIELDS } from './flow/flow-view.ts';
import { byUnit, UnitTurns } from './unit-turns.ts';

/** A longer output is read by itself, page by page. In bytes of memory. */
const TOGETHER_BYTES_MAX = 2 * 1_048_576;

export interface TaskOutputsOptions {
  readonly logs: VictoriaLogs;
  /** Memory that the lines of an output take, about. Undefined for none. */
  sizeOf(taskId: string): Promise<number | undefined>;
  /** LogsQL that all rows of these tasks match. */
  timeOf(taskIds: readonly string[]): string;
}

/** Outputs of many tasks: those that are asked for in one turn come with one query, unless they are long. */
export class TaskOutputs {
  readonly #logs: VictoriaLogs;
  readonly #sizeOf: TaskOutputsOptions['sizeOf'];
  readonly #turns: UnitTurns<readonly string[]>;

  constructor({ logs, sizeOf, timeOf }: TaskOutputsOptions) {
    this.#logs = logs;
    this.#sizeOf = sizeOf;
    this.#turns = new UnitTurns((ids) => readOutputs(logs, ids, timeOf(ids)));
  }

  async *lines(taskId: string): AsyncGenerator<readonly string[]> {
    const bytes = await this.#sizeOf(taskId);
    if (bytes === undefined) return;
    if (bytes <= TOGETHER_BYTES_MAX) {
      yield (await this.#turns.read(taskId, bytes)) ?? [];
      return;
    }
    const view = await FlowView.open({ logs: this.#logs, kind: 'output', unit: taskId }, { isWhole: true });
    for await (const lines of view?.pages() ?? []) yield lines.map(({ text }) => text);
  }
}

async function readOutputs(
  logs: VictoriaLogs,
  ids: readonly string[],
  time: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await logs.rows(`${time} ${rowsOfUnit(['output'], ...ids)} | fields unit, ${TEXT_FIELDS}`);
  return new Map(
    [...byUnit(rows)].map(([unit, own]) => {
      const view = FlowView.ofRows({ logs, kind: 'output', unit }, own);
      return [unit, view.texts()];
    }),
  );
}
