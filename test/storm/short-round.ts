import { expect } from 'vitest';
import type { RoundResult } from './round.ts';
import { runStorm, type StormOptions } from './storm.ts';

/** Enough for each kind of action that the assertions name. */
const SECONDS = 18;

/** One round. Fails with all that it has printed. */
export async function round(
  options: Pick<StormOptions, 'seed' | 'groups' | 'everyMs'> & Partial<StormOptions>,
): Promise<RoundResult> {
  const printed: string[] = [];
  const rounds = await runStorm({
    minutes: SECONDS / 60,
    roundSeconds: SECONDS,
    queue: 'memory',
    store: 'files',
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

export const ONE_TRY: { readonly timeout: number; readonly retry: number } = { timeout: 600_000, retry: 0 };
