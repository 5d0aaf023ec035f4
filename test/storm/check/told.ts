import type { Told } from '../parts/notify-sink.ts';
import type { Violation } from './check.ts';
import type { Evidence } from './evidence.ts';
import type { History } from './history.ts';

/** Of each end of a task that a trail has recorded one notification was sent, perhaps several times with one id. */
export function checkTold(
  { told, toldFromMs = 0, isAnonymous, facts }: History,
  { tasks }: Evidence,
): Violation[] {
  if (told === undefined) return [];
  const anonymous = new Set(
    facts.flatMap((fact) => ('task' in fact && isAnonymous(fact) ? [fact.task] : [])),
  );
  const byEnd = new Map<string, Told[]>();
  for (const one of told) {
    const key = endOf(one.about, one.type, one.attempt);
    byEnd.set(key, [...(byEnd.get(key) ?? []), one]);
  }
  const found: Violation[] = [];
  for (const [key, all] of byEnd) {
    const ids = new Set(all.map(({ id }) => id));
    if (ids.size > 1)
      found.push({ kind: 'notified twice', what: key, file: 'the receiver', detail: [...ids].join(', ') });
  }
  for (const [id, { metadata, result }] of tasks) {
    if (result === undefined || anonymous.has(id)) continue;
    const key = endOf(id, `task.${String(metadata?.status)}`, metadata?.attempt);
    if (byEnd.has(key) || Date.parse(String(metadata?.completed_at)) < toldFromMs) continue;
    const detail = `of ${String(metadata?.completed_at)}`;
    found.push({ kind: 'not notified', what: key, file: 'the receiver', detail });
  }
  return found;
}

function endOf(about: string, type: string, attempt: unknown): string {
  return `${about} ${type} ${String(attempt)}`;
}
