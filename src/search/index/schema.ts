/** Of the tables and of how texts become words. An index of another version is thrown away. */
export const INDEX_VERSION = 2;

/** 8 KiB: a third fewer pages than the default for the long lists of the full text. */
export const SETTINGS: string = `
  PRAGMA page_size=8192;
  PRAGMA journal_mode=TRUNCATE;
  PRAGMA synchronous=NORMAL;
  PRAGMA cache_size=-16000;
  PRAGMA cache_spill=OFF;
  PRAGMA temp_store=MEMORY;
`;

export const SCHEMA: string = `
  CREATE TABLE fact(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
  CREATE TABLE task(
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL,
    folder TEXT NOT NULL, output TEXT NOT NULL, is_open INTEGER NOT NULL,
    status TEXT, source TEXT, provider TEXT, agent TEXT, model TEXT, command TEXT, repo TEXT, error_type TEXT,
    attempt INTEGER NOT NULL, success INTEGER, cost REAL, input_tokens INTEGER, output_tokens INTEGER,
    tokens INTEGER, duration REAL, cost_source INTEGER, cost_verdict INTEGER
  );
  CREATE INDEX task_at ON task(at, id);
  CREATE INDEX task_status ON task(status, at, id);
  CREATE INDEX task_repo ON task(repo COLLATE NOCASE, at, id) WHERE repo IS NOT NULL;
  CREATE TABLE task_workflow(workflow_id TEXT, n INTEGER, PRIMARY KEY(workflow_id, n)) WITHOUT ROWID;
  CREATE INDEX workflow_task ON task_workflow(n);
  CREATE TABLE task_tool(n INTEGER, tool TEXT, calls INTEGER NOT NULL, PRIMARY KEY(n, tool)) WITHOUT ROWID;
  CREATE INDEX tool_task ON task_tool(tool COLLATE NOCASE, n);
  CREATE VIRTUAL TABLE text USING fts5(
    words, content='', contentless_delete=1, detail=none, tokenize='ascii'
  );
  PRAGMA user_version=${INDEX_VERSION};
`;
