import { expect, test } from 'vitest';
import { TasktrailError } from '../../src/errors.ts';
import { type GroupOptions, inGroups, retrying } from '../../src/move/groups.ts';
import { MoveReport } from '../../src/move/move-report.ts';

const away = (): TasktrailError => new TasktrailError('ERR_STORE_UNAVAILABLE', 'away', { retryable: true });

function optionsOf(more: Partial<GroupOptions>): GroupOptions {
  return {
    units: async (kind) => (kind === 'task' ? [{ id: 'a' }, { id: 'b' }] : []),
    work: async () => {},
    ...{ patienceMs: 60_000, signal: new AbortController().signal, report: new MoveReport() },
    ...{ onProgress: () => {}, onWait: () => {} },
    ...more,
  };
}

test('what VictoriaLogs has ended is done again; other errors and an end of patience are thrown', async () => {
  let calls = 0;
  const reasons: string[] = [];
  const options = optionsOf({ onWait: (reason) => reasons.push(reason) });
  const second = await retrying(options, async () => {
    calls += 1;
    if (calls === 1) throw away();
    return calls;
  });
  expect([second, reasons]).toEqual([2, ['away']]);
  await expect(retrying({ ...options, patienceMs: 0 }, () => Promise.reject(away()))).rejects.toThrow('away');
  const lasting = new TasktrailError('ERR_STORE_UNAVAILABLE', 'damaged');
  await expect(retrying(options, () => Promise.reject(lasting))).rejects.toBe(lasting);
  expect(reasons).toEqual(['away']);
});

test('a stop ends it behind the group that it is at', async () => {
  const stop = new AbortController();
  const done: string[] = [];
  const work = async (_: unknown, ids: readonly string[]): Promise<void> => {
    done.push(...ids);
    stop.abort();
  };
  // Two parts of VictoriaLogs: two groups.
  const units: GroupOptions['units'] = async () => [{ id: 'task-1' }, { id: 'task-2' }, { id: 'task-3' }];
  expect(await inGroups(optionsOf({ units, work, signal: stop.signal }))).toBe(false);
  expect(done).toHaveLength(1);
  done.length = 0;
  expect(await inGroups(optionsOf({ work: async (_, ids) => void done.push(...ids) }))).toBe(true);
  expect(done.sort()).toEqual(['a', 'b']);
});
