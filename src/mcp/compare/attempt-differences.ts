import type { JsonObject } from '../../model/json.ts';
import type { Act, AttemptRecord } from './attempt-record.ts';

/** What two attempts did differently. */
export interface AttemptDifferences {
  /** Objects of one kind each, in words that are the same for both sides but for `a` and `b`. Empty: no difference. */
  readonly rows: readonly JsonObject[];
}

/**
 * Compares two attempts: where they first did something else, with another input, or with another outcome; then what differs
 * in all. The sides are equal: swapped, the answer has `a` and `b` swapped. Times of single acts are never the same, so they
 * are shown and do not count as a difference.
 */
export function compareRecords(a: AttemptRecord, b: AttemptRecord): AttemptDifferences {
  const rows: JsonObject[] = [
    ...divergence('first_different_act', a, b, (act) => `${act.kind} ${act.phase ?? ''} ${act.name}`),
    ...divergence('first_different_input', a, b, (act) => `${act.kind} ${act.name} ${act.input}`),
    ...divergence('first_different_outcome', a, b, (act) => `${act.kind} ${act.name} ${act.isFailed}`),
    ...totals(a, b),
    ...counts(a, b),
    ...durations(a, b),
  ];
  return { rows };
}

function divergence(
  difference: string,
  a: AttemptRecord,
  b: AttemptRecord,
  keyOf: (act: Act) => string,
): readonly JsonObject[] {
  const length = Math.max(a.acts.length, b.acts.length);
  for (let at = 0; at < length; at += 1) {
    const [left, right] = [a.acts[at], b.acts[at]];
    if (left !== undefined && right !== undefined && keyOf(left) === keyOf(right)) continue;
    // Where one has ended or does something else, inputs and outcomes of different acts say nothing.
    const isSameAct =
      left !== undefined && right !== undefined && left.kind === right.kind && left.name === right.name;
    if (!isSameAct && difference !== 'first_different_act') return [];
    return [{ difference, act_number: at + 1, a: shownOf(left), b: shownOf(right) }];
  }
  return [];
}

function shownOf(act: Act | undefined): JsonObject | null {
  if (act === undefined) return null;
  const { kind, name, phase, at, seconds, isFailed, eventId } = act;
  return {
    kind,
    name,
    ...(phase !== null && kind === 'step' && { phase }),
    at,
    seconds,
    failed: isFailed,
    ...(eventId !== null && { event_id: eventId }),
  };
}

function totals(a: AttemptRecord, b: AttemptRecord): readonly JsonObject[] {
  const texts = (['status', 'error'] as const)
    .filter((name) => a[name] !== b[name])
    .map((name) => ({ difference: name, a: a[name], b: b[name] }));
  const numbers = [
    numberRow('seconds', a.seconds, b.seconds),
    numberRow('cost_usd', a.costUsd, b.costUsd),
    numberRow('input_tokens', a.inputTokens, b.inputTokens),
    numberRow('output_tokens', a.outputTokens, b.outputTokens),
  ];
  return [...texts, ...numbers.flat()];
}

function counts(a: AttemptRecord, b: AttemptRecord): readonly JsonObject[] {
  const tools = (record: AttemptRecord): readonly Act[] => record.acts.filter(({ kind }) => kind === 'tool');
  const rows: JsonObject[] = [];
  for (const name of new Set([...tools(a), ...tools(b)].map((act) => act.name).sort())) {
    const count = (record: AttemptRecord, isFailed?: true): number =>
      tools(record).filter((act) => act.name === name && (isFailed === undefined || act.isFailed)).length;
    rows.push(...numberRow('calls', count(a), count(b), { tool: name }));
    rows.push(...numberRow('failed_calls', count(a, true), count(b, true), { tool: name }));
  }
  return rows;
}

/** Sums by phase and step; null on the side that does not have it. */
function durations(a: AttemptRecord, b: AttemptRecord): readonly JsonObject[] {
  const [left, right] = [secondsOf(a), secondsOf(b)];
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort();
  return keys.flatMap((key) => {
    const [phase, step] = JSON.parse(key) as [string | null, string | null];
    const names = step === null ? { phase } : { phase, step };
    return numberRow('seconds', left.get(key) ?? null, right.get(key) ?? null, names);
  });
}

function secondsOf({ acts }: AttemptRecord): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { kind, name, phase, seconds } of acts) {
    if (kind === 'tool' || seconds === null) continue;
    const key = JSON.stringify(kind === 'phase' ? [name, null] : [phase, name]);
    sums.set(key, (sums.get(key) ?? 0) + seconds);
  }
  return sums;
}

/** Nothing for equal numbers. The difference of an unknown number is unknown. */
function numberRow(
  difference: string,
  a: number | null,
  b: number | null,
  names: JsonObject = {},
): readonly JsonObject[] {
  if (a === b) return [];
  const delta = a === null || b === null ? null : Number((b - a).toPrecision(12));
  return [{ difference, ...names, a, b, b_minus_a: delta }];
}
