import { messageOf } from '../errors.ts';
import type { VictoriaLogs } from './client.ts';

/** What a VictoriaLogs says of itself. Null: it does not say so, as where a proxy of a cluster leads to its queries alone. */
export interface ServerState {
  /** Why it takes no rows; null: it does. */
  readonly writing: string | null;
  /** Why it answers no query; null: it does. */
  readonly reading: string | null;
  readonly version: string | null;
  readonly freeBytes: number | null;
  readonly isReadOnly: boolean | null;
  /** Milliseconds by which our clock is ahead of that of its answers, which have whole seconds. */
  readonly aheadMs: number | null;
}

/** Asks it. Stores nothing. Never rejects. */
export async function readServerState(logs: VictoriaLogs): Promise<ServerState> {
  const [writing, reading, metrics = ''] = await Promise.all([
    // No rows: a full one refuses them all the same.
    problemOf(logs.insert('')),
    problemOf(logs.check()),
    logs.metrics(),
  ]);
  const free = [...metrics.matchAll(/^vl_free_disk_space_bytes\{[^}]*\} (\S+)$/gm)].map(([, value]) =>
    Number(value),
  );
  const readOnly = [...metrics.matchAll(/^vl_storage_is_read_only\{[^}]*\} (\S+)$/gm)];
  return {
    ...{ writing, reading, version: versionIn(metrics), aheadMs: logs.aheadMs },
    freeBytes: free.length === 0 ? null : Math.min(...free),
    isReadOnly: readOnly.length === 0 ? null : readOnly.some(([, value]) => value !== '0'),
  };
}

/** A build from the Go module proxy has no version of its own: the places of its log messages have it. */
function versionIn(metrics: string): string | null {
  const line = metrics.split('\n').find((one) => one.startsWith('vm_app_version{')) ?? '';
  return (
    (/short_version="v?([\d.]+)/.exec(line) ?? /location="VictoriaLogs@v([\d.]+)\//.exec(metrics))?.[1] ??
    null
  );
}

async function problemOf(request: Promise<unknown>): Promise<string | null> {
  return request.then(
    () => null,
    (error: unknown) => messageOf(error),
  );
}
