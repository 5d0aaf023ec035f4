import { RECORD_SCHEMA } from '../record/record-index.ts';

/** Of the tables and of how texts become words. An index of another version is thrown away. */
export const INDEX_VERSION = 5;

/** 8 KiB: a third fewer pages than the default for the long lists of the full text. */
export const SETTINGS: string = `
  PRAGMA page_size=8192;
  PRAGMA auto_vacuum=INCREMENTAL;
  PRAGMA journal_mode=TRUNCATE;
  PRAGMA synchronous=NORMAL;
  PRAGMA cache_size=-16000;
  PRAGMA cache_spill=OFF;
  PRAGMA temp_store=MEMORY;
`;

/**
 * One segment of the full text for each transaction, however many tasks it has, and merges of eight segments instead of four:
 * each word is rewritten half as often while the index is made.
 */
const FULL_TEXT_OPTIONS = `
  INSERT INTO text(text, rank) VALUES('hashsize', 16000000);
  INSERT INTO text(text, rank) VALUES('automerge', 8)`;

/** Amounts are REAL: a program may report more than an integer of 53 bits. Indexes of times end with the row: equal times are put in the order of their ids when they are read. */
export const SCHEMA: string = `
  CREATE TABLE fact(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
  CREATE TABLE task(
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
    folder INTEGER NOT NULL, output INTEGER NOT NULL, is_open INTEGER NOT NULL,
    status TEXT, source TEXT, provider TEXT, agent TEXT, model TEXT, command TEXT, repo TEXT, error_type TEXT,
    trace_id TEXT, issue TEXT, comment_id TEXT, url TEXT,
    attempt INTEGER NOT NULL, success INTEGER, cost REAL, input_tokens REAL, output_tokens REAL,
    tokens REAL, duration REAL, cost_source INTEGER, cost_verdict INTEGER
  );
  CREATE INDEX task_at ON task(at);
  CREATE INDEX task_status ON task(status, at);
  CREATE INDEX task_repo ON task(repo COLLATE NOCASE, at) WHERE repo IS NOT NULL;
  CREATE INDEX task_trace ON task(trace_id COLLATE NOCASE) WHERE trace_id IS NOT NULL;
  CREATE INDEX task_issue ON task(issue COLLATE NOCASE, at) WHERE issue IS NOT NULL;
  CREATE TABLE task_workflow(workflow_id TEXT, n INTEGER, PRIMARY KEY(workflow_id, n)) WITHOUT ROWID;
  CREATE INDEX workflow_task ON task_workflow(n);
  CREATE TABLE task_tool(n INTEGER, tool TEXT, calls INTEGER NOT NULL, PRIMARY KEY(n, tool)) WITHOUT ROWID;
  CREATE INDEX tool_task ON task_tool(tool COLLATE NOCASE, n);
  CREATE VIRTUAL TABLE text USING fts5(
    words, content='', contentless_delete=1, detail=none, tokenize='ascii'
  );
  ${RECORD_SCHEMA};
  ${FULL_TEXT_OPTIONS};
  PRAGMA user_version=${INDEX_VERSION};
`;
