import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Row } from '../client.ts';

/** Units of one query. Ids may be long, and the text of a query is at most 16 KiB. */
const UNITS_MAX = 256;
const ID_CHARS_MAX = 8_192;

/** Bytes that are in memory for one query. */
const BYTES_MAX = 8 * 1_048_576;

/** Reads units, those that are asked for in one turn together. */
export class UnitTurns<Value> {
  readonly #readAll: (units: readonly string[]) => Promise<ReadonlyMap<string, Value>>;
  #next: Batch<Value> | undefined;

  constructor(readAll: (units: readonly string[]) => Promise<ReadonlyMap<string, Value>>) {
    this.#readAll = readAll;
  }

  /** `bytes`: what it takes in memory, where that is known. */
  async read(unit: string, bytes = 0): Promise<Value | undefined> {
    if (this.#next === undefined || isFull(this.#next, unit, bytes)) this.#next = this.#open();
    this.#next.units.push(unit);
    this.#next.characters += unit.length;
    this.#next.bytes += bytes;
    return (await this.#next.values).get(unit);
  }

  #open(): Batch<Value> {
    const units: string[] = [];
    const values = nextTurn().then(() => {
      if (this.#next?.units === units) this.#next = undefined;
      return this.#readAll(units);
    });
    return { units, values, characters: 0, bytes: 0 };
  }
}

interface Batch<Value> {
  readonly units: string[];
  readonly values: Promise<ReadonlyMap<string, Value>>;
  characters: number;
  bytes: number;
}

function isFull<Value>(batch: Batch<Value>, next: string, nextBytes: number): boolean {
  const { units, characters, bytes } = batch;
  return (
    units.length === UNITS_MAX || characters + next.length > ID_CHARS_MAX || bytes + nextBytes > BYTES_MAX
  );
}

/** Groups of items in their order. One that is larger is a group by itself. */
export function groupsByBytes<Item>(
  items: readonly Item[],
  bytesOf: (item: Item) => number,
  bytesMax: number,
): readonly (readonly Item[])[] {
  const groups: Item[][] = [];
  let sum = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const bytes = bytesOf(item);
    if (sum + bytes > bytesMax) {
      groups.push([]);
      sum = 0;
    }
    groups.at(-1)?.push(item);
    sum += bytes;
  }
  return groups;
}

export function byUnit(rows: readonly Row[]): ReadonlyMap<string, readonly Row[]> {
  const units = new Map<string, Row[]>();
  for (const row of rows) {
    const own = units.get(row.unit ?? '');
    if (own === undefined) units.set(row.unit ?? '', [row]);
    else own.push(row);
  }
  return units;
}
