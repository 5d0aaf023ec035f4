import { once } from 'node:events';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { loadConfig } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import type { McpReader } from '../mcp/mcp-reader.ts';
import { createServerFactory } from '../mcp/mcp-server.ts';
import { openStandardStreams } from '../mcp/message-lines.ts';
import type { JsonObject } from '../model/json.ts';
import { findHolder } from '../store/lock.ts';
import { readVersion } from '../system/version.ts';
import { openRecords } from './open-records.ts';
import { say } from './terminal/say.ts';

/**
 * Answers the Model Context Protocol on standard input and output until the input ends: no service has to run. Nothing is
 * written and no lock is taken, so a service may hold the directory. Returns the exit code.
 */
export async function serveStandardStreams(dir: string | undefined): Promise<number> {
  const config = loadConfig({ flags: { TASK_LOGS_DIR: dir }, recordsOnly: true });
  const { place, reader, names } = await openRecords(config, dir);
  const version = readVersion();
  // Standard output is the protocol's alone.
  const onError = (error: unknown): void => say(messageOf(error));
  const factory = createServerFactory({
    reader,
    version,
    readHealth: () => (names === undefined ? readState : readStoreState)(place, reader, version),
    onError,
  });
  const { transport, input } = openStandardStreams();
  const ended = once(input, 'close');
  serveStdio(factory, { transport, maxSubscriptions: 0, onerror: onError });
  await ended;
  return 0;
}

/** Which process records into the directory. Its own state is in its `/readyz`. */
async function readState(logDir: string, reader: McpReader, version: string): Promise<JsonObject> {
  const { items } = await reader.listTasks({ limit: 1 });
  const holder = await findHolder(logDir);
  return {
    status: holder === undefined ? 'no service runs' : 'a service runs',
    log_directory: logDir,
    holder:
      holder === undefined ? null : { pid: holder.pid, host: holder.host, started_at: holder.started_at },
    newest_task: items[0]?.task_id ?? null,
    version,
  };
}

/** Which services run over it is known to each of them. */
async function readStoreState(store: string, reader: McpReader, version: string): Promise<JsonObject> {
  const { items } = await reader.listTasks({ limit: 1 });
  return { status: 'read without a service', store, newest_task: items[0]?.task_id ?? null, version };
}
