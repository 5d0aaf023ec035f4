import { expect, onTestFinished, test } from 'vitest';
import { Interrupts } from '../../../src/cli/run/interrupts.ts';

interface Subject {
  readonly interrupts: Interrupts;
  /** Sends a signal to the handlers of this process, at this time in milliseconds. */
  signal(atMs: number, name?: NodeJS.Signals): void;
}

function subject(): Subject {
  let now = 0;
  const interrupts = new Interrupts(() => now);
  onTestFinished(() => interrupts.stop());
  return {
    interrupts,
    signal: (atMs, name = 'SIGINT') => {
      now = atMs;
      process.emit(name, name);
    },
  };
}

function states({ interrupts }: Subject): readonly boolean[] {
  return [interrupts.stopSignal.aborted, interrupts.killSignal.aborted];
}

test('the first signal stops the agent, one that comes with it is its echo, and a later one kills', () => {
  const tried = subject();
  expect(states(tried)).toEqual([false, false]);
  tried.signal(10);
  tried.signal(12);
  tried.signal(2_009, 'SIGTERM');
  expect(states(tried)).toEqual([true, false]);
  tried.signal(2_010, 'SIGTERM');
  expect(states(tried)).toEqual([true, true]);
  expect(tried.interrupts.received).toBe('SIGINT');
});

test('the echo of the second signal does not end this process', () => {
  const tried = subject();
  for (const atMs of [0, 2_000, 2_001, 3_999]) tried.signal(atMs);
  expect(states(tried)).toEqual([true, true]);
});
