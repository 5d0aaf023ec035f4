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
        (statement) => {
          try {
            statement.finalize();
          } catch {
            // The error with which it failed, once more.
          }
        },
      );
      const using = <T>(sql: string, work: (statement: Statement) => T): T => {
        try {
          return work(statements.get(sql));
        } catch (error) {
          statements.forget(sql);
          throw error;
        }
      };
      database.exec(`PRAGMA busy_timeout=${BUSY_MS}`);
      return {
        exec: (sql) => database.exec(sql),
        run: (sql, values) => void using(sql, (statement) => statement.run([...values])),
        all: (sql, values) =>
          using(sql, (statement) => statement.all([...values])) as unknown as readonly SqlRow[],
        close: () => {
          if (!database.isOpen) return;
          statements.clear();
          database.close();
        },
      };
    },
  };
}
