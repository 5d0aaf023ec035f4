import type { ListPlace } from '../../model/list-place.ts';
import { sha256 } from '../../model/sha256.ts';
import type { WorkflowSort } from '../../model/workflow.ts';
import type { Database, SqlValue } from '../index/driver/driver.ts';
import { isoOf, msOf } from '../index/index-time.ts';
import { orderOf, type SelectTable, SORT_COLUMNS, whereOf } from '../index/task-select.ts';
import type { TaskSearch } from '../query/task-search.ts';
import type { RecordKind } from './record-files.ts';
import type { RecordRef, RecordSource, SearchedRecord } from './searched-record.ts';

/** A place in a list, and where the record stands. */
export interface RecordPlace extends ListPlace, RecordRef {}

/** What the index knows of a source. */
export interface KnownSource {
  readonly number: number;
  readonly version: number;
  readonly inode: number;
  readonly size: number;
  /** Up to where it was read. */
  readonly end: number;
}

export interface IndexedRecord {
  readonly record: SearchedRecord;
  readonly words: string;
}

/** Tables of workflows and deliveries. `record_value` has the fields with texts, any number for each record. */
export const RECORD_SCHEMA = `
  CREATE TABLE record_source(
    s INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,
    version INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, end INTEGER NOT NULL, UNIQUE(kind, key)
  );
  CREATE TABLE record(
    n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, s INTEGER NOT NULL, place INTEGER NOT NULL,
    at INTEGER NOT NULL, is_marked INTEGER NOT NULL, duration REAL, attempt INTEGER NOT NULL, UNIQUE(kind, id)
  );
  CREATE INDEX record_at ON record(kind, at);
  CREATE INDEX record_of ON record(s, place);
  CREATE TABLE record_value(field TEXT, value TEXT, n INTEGER, PRIMARY KEY(field, value, n)) WITHOUT ROWID;
  CREATE INDEX value_of ON record_value(n);
  CREATE VIRTUAL TABLE record_text USING fts5(
    words, content='', contentless_delete=1, detail=none, tokenize='ascii'
  )`;

const RECORDS: SelectTable = {
  text: 'record_text',
  members: (field) => ({ select: `SELECT n FROM record_value WHERE field='${field}' AND`, value: 'value' }),
};

const MANY = 2_000;

/** The workflows and deliveries of an open index. Its errors are those of the database. */
export class RecordIndex {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  sources(kind: RecordKind): Map<string, KnownSource> {
    const rows = this.#database.all(
      'SELECT s, key, version, inode, size, end FROM record_source WHERE kind = ?',
      [kind],
    );
    return new Map(
      rows.map(({ s, key, version, inode, size, end }) => [
        String(key),
        {
          number: Number(s),
          version: Number(version),
          inode: Number(inode),
          size: Number(size),
          end: Number(end),
        },
      ]),
    );
  }

  source(kind: RecordKind, key: string): KnownSource | undefined {
    const [row] = this.#database.all(
      'SELECT s, version, inode, size, end FROM record_source WHERE kind = ? AND key = ?',
      [kind, key],
    );
    return (
      row && {
        number: Number(row.s),
        version: Number(row.version),
        inode: Number(row.inode),
        size: Number(row.size),
        end: Number(row.end),
      }
    );
  }

  count(kind: RecordKind): number {
    const [row] = this.#database.all('SELECT count(*) AS count FROM record WHERE kind = ?', [kind]);
    return Number(row?.count ?? 0);
  }

  /** The record of a source that stands behind all others. */
  last(source: number): { readonly id: string; readonly place: number } | undefined {
    const [row] = this.#database.all('SELECT id, place FROM record WHERE s = ? ORDER BY place DESC LIMIT 1', [
      source,
    ]);
    return row && { id: String(row.id), place: Number(row.place) };
  }

  /** Removes a source with its records. */
  remove(kind: RecordKind, key: string): void {
    const known = this.source(kind, key);
    if (known === undefined) return;
    for (const { n } of this.#database.all('SELECT n FROM record WHERE s = ?', [known.number]))
      this.#removeRecord(Number(n));
    this.#database.run('DELETE FROM record_source WHERE s = ?', [known.number]);
  }

  /** Notes how far a source was read, and gives its number. */
  putSource(kind: RecordKind, { key, version, inode, size }: RecordSource, end: number): number {
    const [row] = this.#database.all(
      `INSERT INTO record_source(kind, key, version, inode, size, end) VALUES(?, ?, ?, ?, ?, ?)
        ON CONFLICT(kind, key) DO UPDATE SET version=excluded.version, inode=excluded.inode, size=excluded.size,
        end=excluded.end RETURNING s`,
      [kind, key, versionOf(version), inode, size, end],
    );
    return Number(row?.s);
  }

  add(kind: RecordKind, source: number, { record, words }: IndexedRecord): void {
    const { id, place, at, isMarked, duration, attempt, values } = record;
    const [same] = this.#database.all('SELECT n, is_marked FROM record WHERE kind = ? AND id = ?', [
      kind,
      id,
    ]);
    if (same !== undefined) {
      // Stored twice: the one of the trail counts, else the first.
      if (isMarked || same.is_marked === 0) return;
      this.#removeRecord(Number(same.n));
    }
    const [row] = this.#database.all(
      `INSERT INTO record(kind, id, s, place, at, is_marked, duration, attempt) VALUES(?, ?, ?, ?, ?, ?, ?, ?)
        RETURNING n`,
      [kind, id, source, place, msOf(at), Number(isMarked), duration, attempt],
    );
    const n = Number(row?.n);
    for (const [field, texts] of Object.entries(values))
      for (const text of new Set(texts))
        this.#database.run('INSERT INTO record_value(field, value, n) VALUES(?, ?, ?)', [field, text, n]);
    this.#database.run('INSERT INTO record_text(rowid, words) VALUES(?, ?)', [n, words]);
  }

  /** Places of records that may be of the search, in order. */
  select(
    kind: RecordKind,
    search: TaskSearch,
    page: { readonly sort: WorkflowSort; readonly after: ListPlace | undefined; readonly limit: number },
  ): readonly RecordPlace[] {
    const { sort, after, limit } = page;
    const { sql, values } = whereOf(search, {
      after: after && { place: after, sort },
      hasMany: this.#hasMany,
      table: RECORDS,
    });
    const where = sql === '' ? 'WHERE kind = ?' : sql.replace('WHERE ', 'WHERE kind = ? AND ');
    return this.#database
      .all(
        `SELECT id, place, ${SORT_COLUMNS[sort]} AS value,
          (SELECT key FROM record_source WHERE record_source.s = record.s) AS source
          FROM record ${where} ${orderOf(sort)} LIMIT ?`,
        [kind, ...values, limit],
      )
      .map(({ id, place, value, source }) => ({
        id: String(id),
        source: String(source),
        place: Number(place),
        value: sort === 'created' ? isoOf(Number(value)) : value === null ? null : Number(value),
      }));
  }

  readonly #hasMany = (sql: string, values: readonly SqlValue[]): boolean => {
    const counted = `SELECT count(*) AS count FROM (${sql} LIMIT ${MANY})`;
    return Number(this.#database.all(counted, values)[0]?.count) === MANY;
  };

  #removeRecord(n: number): void {
    this.#database.run('DELETE FROM record_text WHERE rowid = ?', [n]);
    this.#database.run('DELETE FROM record_value WHERE n = ?', [n]);
    this.#database.run('DELETE FROM record WHERE n = ?', [n]);
  }
}

export function versionOf(text: string): number {
  return Number.parseInt(sha256(text).slice(0, 12), 16);
}
