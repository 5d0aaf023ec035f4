import type { ListPlace } from '../../model/list-place.ts';
import { sha256 } from '../../model/sha256.ts';
import type { TaskFacet, TaskSort } from '../../model/task-reading.ts';
import { COST_SOURCES, COST_VERDICTS } from '../../project/genai/cost-basis.ts';
import type { TaskSearch } from '../query/task-search.ts';
import { RecordIndex } from '../record/record-index.ts';
import type { TaskVersions } from '../searched-files.ts';
import { type TaskRow, tokensOf } from '../task-row.ts';
import type { Database, SqlRow, SqlValue } from './driver/driver.ts';
import { isoOf, msOf } from './index-time.ts';
import { orderOf, SORT_COLUMNS, whereOf } from './task-select.ts';

/** What is written of a task. */
export interface IndexedTask {
  readonly row: TaskRow;
  readonly versions: TaskVersions;
  /** Whether it may still change: its files are looked at again after a start. */
  readonly isOpen: boolean;
  /** Undefined: as it is. */
  readonly text: IndexedText | undefined;
}

export interface IndexedText {
  /** Words, and text that the tokenizer of SQLite cuts into the same words as ours. */
  readonly words: string;
  /** Number of calls by tool. */
  readonly tools: ReadonlyMap<string, number>;
}

/** `TaskVersions` as numbers of 48 bits: six bytes each instead of thirty. */
export interface KnownVersions {
  readonly folder: number;
  readonly output: number;
}

export function isSameVersion(known: KnownVersions, versions: TaskVersions): boolean {
  return known.folder === versionNumber(versions.folder) && known.output === versionNumber(versions.output);
}

/** A task with the numbers that are counted. */
export interface CountedRow extends TaskRow {
  readonly tools: ReadonlyMap<string, number>;
}

const COLUMNS = [
  'id',
  'at',
  'folder',
  'output',
  'is_open',
  'status',
  'source',
  'provider',
  'agent',
  'model',
  'command',
  'repo',
  'error_type',
  'trace_id',
  'issue',
  'comment_id',
  'url',
  'attempt',
  'success',
  'cost',
  'input_tokens',
  'output_tokens',
  'tokens',
  'duration',
  'cost_source',
  'cost_verdict',
] as const;

const UPSERT = `INSERT INTO task(${COLUMNS.join(', ')}) VALUES(${COLUMNS.map(() => '?').join(', ')})
  ON CONFLICT(id) DO UPDATE SET ${COLUMNS.slice(1)
    .map((name) => `${name}=excluded.${name}`)
    .join(', ')}
  RETURNING n`;

const NUMBERS = [
  'attempt',
  'success',
  'cost',
  'input_tokens',
  'output_tokens',
  'duration',
  'cost_source',
  'cost_verdict',
] as const;

const NONE: ReadonlyMap<number, readonly SqlRow[]> = new Map();
const NO_TOOLS: ReadonlyMap<string, number> = new Map();

/** What is read of the rows that are counted: a text costs more than all numbers. */
export interface RowNeeds {
  readonly texts: readonly TaskFacet[];
  readonly tools: boolean;
  readonly workflows: boolean;
}

/** So many rows are sorted in a millisecond or two. */
const MANY = 2_000;

/** Rows that are read at once while all are counted. */
const ROWS_MAX = 5_000;

/** About two megabytes: some ten milliseconds, for which a query waits. */
const MERGE_PAGES = 500;

/** The tasks of an open index. Its errors are those of the database. */
export class TaskIndex {
  readonly records: RecordIndex;
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    this.records = new RecordIndex(database);
  }

  /** The versions of all tasks by id, as they were when their texts were read. */
  known(): Map<string, KnownVersions> {
    const found = this.#database.all('SELECT id, folder, output FROM task', []);
    return new Map(
      found.map(({ id, folder, output }) => [String(id), { folder: Number(folder), output: Number(output) }]),
    );
  }

  count(): number {
    return Number(this.#database.all('SELECT count(*) AS count FROM task', [])[0]?.count ?? 0);
  }

  fact(name: string): string | undefined {
    const value = this.#database.all('SELECT value FROM fact WHERE name = ?', [name])[0]?.value;
    return typeof value === 'string' ? value : undefined;
  }

  setFact(name: string, value: string): void {
    this.#database.run('INSERT OR REPLACE INTO fact(name, value) VALUES(?, ?)', [name, value]);
  }

  writeRecords(write: (records: RecordIndex) => void): void {
    this.#inTransaction(() => write(this.records));
  }

  /** Writes and removes in one transaction. */
  write(tasks: readonly IndexedTask[], removed: readonly string[]): void {
    this.#inTransaction(() => {
      for (const task of tasks) this.#writeTask(task);
      for (const id of removed) this.#remove(id);
    });
  }

  /**
   * Does a part of the work after which each word of the full text stands in one place, and gives what is free back to the file
   * system. False when nothing is left. Started by the first call after many writes.
   */
  merge(isFirst: boolean): boolean {
    const before = this.#changes();
    const pages = isFirst ? -MERGE_PAGES : MERGE_PAGES;
    this.#database.run("INSERT INTO text(text, rank) VALUES('merge', ?)", [pages]);
    // The statement itself is one change.
    const hasMore = this.#changes() - before > 1;
    this.#database.exec(`PRAGMA incremental_vacuum(${MERGE_PAGES})`);
    return hasMore;
  }

  #changes(): number {
    return Number(this.#database.all('SELECT total_changes() AS count', [])[0]?.count);
  }

  /** Places of tasks that may be of the search, in order. */
  select(
    search: TaskSearch,
    {
      sort,
      after,
      limit,
    }: { readonly sort: TaskSort; readonly after: ListPlace | undefined; readonly limit: number },
  ): readonly ListPlace[] {
    const { sql, values } = whereOf(search, {
      after: after && { place: after, sort },
      hasMany: this.#hasMany,
    });
    return this.#database
      .all(`SELECT id, ${SORT_COLUMNS[sort]} AS value FROM task ${sql} ${orderOf(sort)} LIMIT ?`, [
        ...values,
        limit,
      ])
      .map(({ id, value }) => ({
        id: String(id),
        value: sort === 'created' ? isoOf(Number(value)) : number(value),
      }));
  }

  /** The rows of a search, in no order. Each step is one statement, so that other queries are answered in between. */
  *rows(search: TaskSearch, { texts, tools, workflows }: RowNeeds): Generator<readonly CountedRow[]> {
    const { sql, values } = whereOf(search);
    const columns = ['n', 'id', 'at', ...NUMBERS, ...texts].join(', ');
    for (let last = 0; ; ) {
      const where = sql === '' ? 'WHERE n > ?' : `${sql} AND n > ?`;
      const found = this.#database.all(`SELECT ${columns} FROM task ${where} ORDER BY n LIMIT ?`, [
        ...values,
        last,
        ROWS_MAX,
      ]);
      if (found.length === 0) return;
      const range = [Number(found[0]?.n), Number(found.at(-1)?.n)];
      last = range[1] ?? 0;
      const ofWorkflow = workflows
        ? this.#byTask('SELECT n, workflow_id FROM task_workflow WHERE n BETWEEN ? AND ?', range)
        : NONE;
      const ofTool = tools
        ? this.#byTask('SELECT n, tool, calls FROM task_tool WHERE n BETWEEN ? AND ?', range)
        : NONE;
      yield found.map((one) => {
        const n = Number(one.n);
        const row = rowOf(one, ofWorkflow.get(n)?.map(({ workflow_id: id }) => String(id)) ?? []);
        const called = ofTool.get(n)?.map(({ tool, calls }) => [String(tool), Number(calls)] as const);
        return { ...row, tools: called === undefined ? NO_TOOLS : new Map(called) };
      });
      if (found.length < ROWS_MAX) return;
    }
  }

  readonly #hasMany = (sql: string, values: readonly SqlValue[]): boolean => {
    const counted = `SELECT count(*) AS count FROM (${sql} LIMIT ${MANY})`;
    return Number(this.#database.all(counted, values)[0]?.count) === MANY;
  };

  #byTask(sql: string, range: readonly SqlValue[]): ReadonlyMap<number, readonly SqlRow[]> {
    const byTask = new Map<number, SqlRow[]>();
    for (const found of this.#database.all(sql, range)) {
      const n = Number(found.n);
      const rows = byTask.get(n);
      if (rows === undefined) byTask.set(n, [found]);
      else rows.push(found);
    }
    return byTask;
  }

  #writeTask({ row, versions, isOpen, text }: IndexedTask): void {
    const success = row.success === null ? null : Number(row.success);
    const [written] = this.#database.all(UPSERT, [
      row.id,
      msOf(row.at),
      versionNumber(versions.folder),
      versionNumber(versions.output),
      Number(isOpen),
      row.status,
      row.source,
      row.provider,
      row.agent,
      row.model,
      row.command,
      row.repo,
      row.error_type,
      row.trace_id,
      row.issue,
      row.comment_id,
      row.url,
      row.attempt,
      success,
      row.cost,
      row.input_tokens,
      row.output_tokens,
      tokensOf(row),
      row.duration,
      row.cost_basis && COST_SOURCES.indexOf(row.cost_basis.source),
      row.cost_basis && COST_VERDICTS.indexOf(row.cost_basis.verdict),
    ]);
    const n = Number(written?.n);
    this.#database.run('DELETE FROM task_workflow WHERE n = ?', [n]);
    for (const id of new Set(row.workflow_ids))
      this.#database.run('INSERT INTO task_workflow(workflow_id, n) VALUES(?, ?)', [id, n]);
    if (text === undefined) return;
    this.#removeText(n);
    this.#database.run('INSERT INTO text(rowid, words) VALUES(?, ?)', [n, text.words]);
    for (const [tool, calls] of text.tools)
      this.#database.run('INSERT INTO task_tool(n, tool, calls) VALUES(?, ?, ?)', [n, tool, calls]);
  }

  #remove(id: string): void {
    const [found] = this.#database.all('SELECT n FROM task WHERE id = ?', [id]);
    if (found === undefined) return;
    const n = Number(found.n);
    this.#removeText(n);
    this.#database.run('DELETE FROM task_workflow WHERE n = ?', [n]);
    this.#database.run('DELETE FROM task WHERE n = ?', [n]);
  }

  #removeText(n: number): void {
    this.#database.run('DELETE FROM text WHERE rowid = ?', [n]);
    this.#database.run('DELETE FROM task_tool WHERE n = ?', [n]);
  }

  #inTransaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      try {
        this.#database.exec('ROLLBACK');
      } catch {
        // SQLite has rolled back by itself, as on a full disk.
      }
      throw error;
    }
  }
}

function rowOf(found: SqlRow, workflowIds: readonly string[]): TaskRow {
  return {
    id: String(found.id),
    at: isoOf(Number(found.at)),
    status: text(found.status),
    source: text(found.source),
    provider: text(found.provider),
    agent: text(found.agent),
    model: text(found.model),
    command: text(found.command),
    repo: text(found.repo),
    error_type: text(found.error_type),
    trace_id: text(found.trace_id),
    issue: text(found.issue),
    comment_id: text(found.comment_id),
    url: text(found.url),
    workflow_ids: workflowIds,
    attempt: Number(found.attempt),
    success: found.success === null ? null : found.success === 1,
    cost: number(found.cost),
    input_tokens: number(found.input_tokens),
    output_tokens: number(found.output_tokens),
    duration: number(found.duration),
    cost_basis: basisOf(found),
  };
}

function versionNumber(text: string): number {
  return text === '' ? 0 : Number.parseInt(sha256(text).slice(0, 12), 16);
}

function basisOf(found: SqlRow): TaskRow['cost_basis'] {
  const source = COST_SOURCES[number(found.cost_source) ?? -1];
  const verdict = COST_VERDICTS[number(found.cost_verdict) ?? -1];
  return source === undefined || verdict === undefined ? null : { source, verdict };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : null;
}
