import { BUSY_MS, type Database, type Driver, type SqlRow, type SqlValue, Statements } from './driver.ts';

/** The part of `node:sqlite` that is used. The types of the oldest supported Node do not have it. */
interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options?: { readonly readOnly?: boolean }) => NodeDatabase;
}

interface NodeDatabase {
  exec(sql: string): void;
  prepare(sql: string): NodeStatement;
  close(): void;
}

interface NodeStatement {
  run(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): readonly SqlRow[];
}

/** Undefined where Node has no SQLite, or one without FTS5. */
export function nodeDriver(): Driver | undefined {
  const sqlite = loadQuietly();
  if (sqlite === undefined || !hasFullText(sqlite)) return undefined;
  return {
    name: 'node:sqlite',
    open: (path, { isReadOnly }) => openDatabase(new sqlite.DatabaseSync(path, { readOnly: isReadOnly })),
  };
}

/** Node says on standard error that its SQLite is experimental; the one of this package is tried out instead. */
function loadQuietly(): NodeSqlite | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite') as NodeSqlite | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

function hasFullText({ DatabaseSync }: NodeSqlite): boolean {
  const database = new DatabaseSync(':memory:');
  try {
    database.exec("CREATE VIRTUAL TABLE t USING fts5(w, content='', contentless_delete=1, detail=none)");
    return true;
  } catch {
    // "no such module: fts5", or a version without contentless_delete.
    return false;
  } finally {
    database.close();
  }
}

function openDatabase(database: NodeDatabase): Database {
  const statements = new Statements((sql) => database.prepare(sql));
  let isOpen = true;
  database.exec(`PRAGMA busy_timeout=${BUSY_MS}`);
  return {
    exec: (sql) => database.exec(sql),
    run: (sql, values) => void statements.get(sql).run(...values),
    all: (sql, values) => statements.get(sql).all(...values),
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      statements.clear();
      database.close();
    },
  };
}
