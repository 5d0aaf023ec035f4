import { expect } from 'vitest';
import type { RoundResult } from './round.ts';
import { runStorm, type StormOptions } from './storm.ts';

/** Enough for each kind of action that the assertions name. */
const SECONDS = 18;

/** Resolves when the faults of the rounds before are over. */
let turn: Promise<void> = Promise.resolve();

/**
 * One round. Fails with all that it has printed. Rounds of concurrent tests have their faults one after the other. Their
 * drains, which wait a minute for the end of silent tasks, overlap.
 */
export async function round(
  options: Pick<StormOptions, 'seed' | 'groups' | 'everyMs'> & Partial<StormOptions>,
): Promise<RoundResult> {
  const before = turn;
  let pass = (): void => {};
  turn = new Promise((resolve) => {
    pass = resolve;
  });
  await before;
  try {
    return await onlyRound({ ...options, onCalm: pass });
  } finally {
    pass();
  }
}

async function onlyRound(
  options: Pick<StormOptions, 'seed' | 'groups' | 'everyMs'> & Partial<StormOptions>,
): Promise<RoundResult> {
  const printed: string[] = [];
  const rounds = await runStorm({
    minutes: SECONDS / 60,
    roundSeconds: SECONDS,
    queue: 'memory',
    firstRound: 1,
    keep: false,
    print: (line) => void printed.push(line),
    ...options,
  });
  const [result] = rounds;
  if (result === undefined) throw new Error('there was no round');
  expect(result.violations, printed.join('\n')).toEqual([]);
  return result;
}

export function count({ actions }: RoundResult, kind: RegExp): number {
  return Object.entries(actions).reduce((sum, [name, n]) => sum + (kind.test(name) ? n : 0), 0);
}

/** A round waits for those before it. */
export const BESIDE: { readonly timeout: number; readonly concurrent: true } = {
  timeout: 900_000,
  concurrent: true,
};
