/** What a statement binds and a row holds. */
export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** An open database of one file. Values are always bound, never part of the text of a statement. */
export interface Database {
  /** Statements without values, separated by semicolons. */
  exec(sql: string): void;
  run(sql: string, values: readonly SqlValue[]): void;
  all(sql: string, values: readonly SqlValue[]): readonly SqlRow[];
  /** Safe to call twice. */
  close(): void;
}

export type DriverName = 'node:sqlite' | 'node-sqlite3-wasm';

export interface Driver {
  readonly name: DriverName;
  /** Throws when the file is no database, or cannot be opened. */
  open(path: string, options: { readonly isReadOnly: boolean }): Database;
}

/** Milliseconds for which a statement waits for the lock of another process. */
export const BUSY_MS = 1_000;

/** Statements that are kept prepared. Filters make many different ones. */
const STATEMENTS_MAX = 100;

/** Keeps statements prepared, least recently used first. */
export class Statements<S> {
  readonly #prepare: (sql: string) => S;
  readonly #drop: (statement: S) => void;
  readonly #kept = new Map<string, S>();

  constructor(prepare: (sql: string) => S, drop: (statement: S) => void = () => {}) {
    this.#prepare = prepare;
    this.#drop = drop;
  }

  get(sql: string): S {
    const statement = this.#kept.get(sql) ?? this.#prepare(sql);
    this.#kept.delete(sql);
    this.#kept.set(sql, statement);
    for (const [oldest, old] of this.#kept) {
      if (this.#kept.size <= STATEMENTS_MAX) break;
      this.#kept.delete(oldest);
      this.#drop(old);
    }
    return statement;
  }

  /** After a failure, with which a statement may stay unusable. */
  forget(sql: string): void {
    const statement = this.#kept.get(sql);
    this.#kept.delete(sql);
    if (statement !== undefined) this.#drop(statement);
  }

  clear(): void {
    for (const statement of this.#kept.values()) this.#drop(statement);
    this.#kept.clear();
  }
}
