import { type Finding, ok, type Subject, warning } from './finding.ts';
import type { HttpAnswer } from './http-answer.ts';

/** Milliseconds. Date headers have whole seconds and an answer takes one or two, so a minute is a wrong clock. */
const OFF_MAX_MS = 60_000;

/** Notes how far our clock is ahead of the server's, from the Date header of its answer. */
export function noteClock({ clocks }: Pick<Subject, 'clocks'>, place: string, { headers }: HttpAnswer): void {
  const at = Date.parse(headers.date ?? '');
  if (!Number.isNaN(at)) clocks.set(place, Date.now() - at);
}

/** Compares our clock with those of the servers: times of tasks, spans and signatures depend on it. */
export function checkClocks(clocks: ReadonlyMap<string, number>): readonly Finding[] {
  const off = [...clocks].filter(([, ms]) => Math.abs(ms) > OFF_MAX_MS);
  if (off.length === 0) {
    return clocks.size === 0 ? [] : [ok('this machine', `agrees with ${[...clocks.keys()].join(', ')}`)];
  }
  return off.map(([place, ms]) => {
    const side = ms > 0 ? 'ahead of' : 'behind';
    const what = `${Math.round(Math.abs(ms) / 1_000)} s ${side} the clock of ${place}`;
    return warning(
      'this machine',
      what,
      'synchronise both clocks (NTP): spans of one trace would not line up',
    );
  });
}
