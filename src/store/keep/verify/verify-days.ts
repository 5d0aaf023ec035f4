import { basename, join } from 'node:path';
import type { JsonObject } from '../../../model/json.ts';
import { readIso } from '../../../model/time.ts';
import { isEnvelope } from '../../workflow-fact-line.ts';
import { eventKey, sentKey } from '../../write/lines/line-keys.ts';
import { Findings } from './finding.ts';
import { scanLines } from './scan-lines.ts';

/** What is wrong with a day of deliveries. */
export async function verifyDeliveries(dir: string, name: string): Promise<Findings> {
  const day = basename(name, '.jsonl');
  const findings = new Findings({ kind: 'webhooks', id: day });
  const file = join(basename(dir), name);
  await scanLines({
    path: join(dir, name),
    name: file,
    findings,
    keyOf: (line) => (isDelivery(line) ? sentKey(line) : undefined),
    onLine: (line, number) => {
      const filed = readIso(line.received_at) ?? String(line.timestamp);
      if (!filed.startsWith(day))
        findings.add('invalid_line', file, `a delivery of another day (${filed})`, number);
    },
  });
  return findings;
}

/** What is wrong with a day of the feed. */
export async function verifyFeed(dir: string, name: string): Promise<Findings> {
  const findings = new Findings({ kind: 'feed', id: basename(name, '.jsonl') });
  const keyOf = (line: JsonObject): ReturnType<typeof eventKey> =>
    isEnvelope(line) ? eventKey(line) : undefined;
  await scanLines({ path: join(dir, name), name: join(basename(dir), name), findings, keyOf });
  return findings;
}

/** What is wrong with `_pruned.jsonl`. */
export async function verifyTombstones(logDir: string, name: string): Promise<Findings> {
  const findings = new Findings({ kind: 'pruned', id: name });
  await scanLines({
    path: join(logDir, name),
    name,
    findings,
    keyOf: ({ kind, id, pruned_at: at }) =>
      (kind === 'task' || kind === 'workflow') && typeof id === 'string' && readIso(at) !== undefined
        ? { id: `${kind} ${id} ${String(at)}`, timestamp: String(at) }
        : undefined,
  });
  return findings;
}

function isDelivery(line: JsonObject): boolean {
  const { provider, outcome, task_ids: tasks, stages } = line;
  return (
    typeof provider === 'string' &&
    typeof outcome === 'string' &&
    Array.isArray(tasks) &&
    Array.isArray(stages)
  );
}
