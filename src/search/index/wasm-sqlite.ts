import type { Statement } from 'node-sqlite3-wasm';
import { BUSY_MS, type Driver, type SqlRow, Statements } from './driver.ts';

export async function wasmDriver(): Promise<Driver> {
  const { default: sqlite } = await import('node-sqlite3-wasm');
  return {
    name: 'node-sqlite3-wasm',
    open: (path, { isReadOnly }) => {
      const database = new sqlite.Database(path, { readOnly: isReadOnly, fileMustExist: isReadOnly });
      const statements = new Statements<Statement>(
        (sql) => database.prepare(sql),
        (statement) => statement.finalize(),
      );
      database.exec(`PRAGMA busy_timeout=${BUSY_MS}`);
      return {
        exec: (sql) => database.exec(sql),
        run: (sql, values) => void statements.get(sql).run([...values]),
        all: (sql, values) => statements.get(sql).all([...values]) as unknown as readonly SqlRow[],
        close: () => {
          if (!database.isOpen) return;
          statements.clear();
          database.close();
        },
      };
    },
  };
}
