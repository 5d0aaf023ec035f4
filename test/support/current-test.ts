import { AsyncLocalStorage } from 'node:async_hooks';
import { onTestFinished, type TestContext } from 'vitest';

const KEY = Symbol.for('tasktrail.current-test');

/** One for the setup file and the tests, which may have copies of this module. */
const SHARED = globalThis as unknown as Record<symbol, AsyncLocalStorage<TestContext> | undefined>;

/** The test that runs. Vitest itself does not know which of several concurrent tests calls a hook. */
export const CURRENT_TEST: AsyncLocalStorage<TestContext> = SHARED[KEY] ?? new AsyncLocalStorage();
SHARED[KEY] = CURRENT_TEST;

/** As `onTestFinished`, also in a test that runs beside others. */
export function afterTest(end: () => unknown): void {
  const context = CURRENT_TEST.getStore();
  const done = async (): Promise<void> => void (await end());
  if (context === undefined) onTestFinished(done);
  else context.onTestFinished(done);
}
