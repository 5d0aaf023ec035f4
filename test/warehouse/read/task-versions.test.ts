import { expect, test } from 'vitest';
import type { Row, VictoriaLogs } from '../../../src/warehouse/client.ts';
import { TaskVersions } from '../../../src/warehouse/read/task-versions.ts';

interface Answers {
  recent: readonly Row[];
  all: readonly Row[];
}

/** Answers the two queries; `isAway`: neither. */
function logsWith(answers: Answers): { logs: VictoriaLogs; fail(isAway: boolean): void } {
  let isFailing = false;
  const check = (): void => {
    if (isFailing) throw new Error('away');
  };
  const logs = {
    rows: async () => {
      check();
      return answers.recent;
    },
    query: async function* () {
      check();
      yield* answers.all;
    },
  };
  return {
    logs: logs as unknown as VictoriaLogs,
    fail: (isAway) => {
      isFailing = isAway;
    },
  };
}

function rows(unit: string, count: number, bucket: string = '1'): Row {
  return { unit, _time: bucket, rows: String(count), latest: `2026-01-02T03:04:0${bucket}Z` };
}

function started(all: readonly Row[] = []) {
  const answers: Answers = { recent: [], all };
  let nowMs = 1_000_000;
  const { logs, fail } = logsWith(answers);
  const versions = new TaskVersions(logs, () => nowMs);
  return {
    ...{ answers, fail, versions },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('rows that appear later in a time that was read change their task once', async () => {
  const { answers, versions } = started([rows('task-a', 7)]);
  expect(await versions.changed()).toEqual([]);
  answers.recent = [rows('task-a', 2), rows('task-b', 1)];
  expect(await versions.changed()).toEqual(['task-a', 'task-b']);
  expect(await versions.changed()).toEqual([]);
  answers.recent = [rows('task-a', 3), rows('task-b', 1), rows('task-b', 1, '2')];
  expect(await versions.changed()).toEqual(['task-a', 'task-b']);
  expect(await versions.of('task-a')).toBe('10 2026-01-02T03:04:01.000000000Z');
  expect(await versions.of('task-c')).toBeUndefined();
});

test('the first answer has the rows of the last seconds once', async () => {
  const { answers, versions } = started([rows('task-a', 7)]);
  answers.recent = [rows('task-a', 2)];
  expect(await versions.of('task-a')).toBe('7 2026-01-02T03:04:01.000000000Z');
  expect(await versions.changed()).toEqual(['task-a']);
  expect(await versions.of('task-a')).toBe('7 2026-01-02T03:04:01.000000000Z');
});

test('a task is named once more when it has settled', async () => {
  const { answers, versions, pass } = started();
  await versions.changed();
  answers.recent = [rows('task-a', 2)];
  expect(await versions.changed()).toEqual(['task-a']);
  pass(12_000);
  expect(await versions.changed()).toEqual([]);
  pass(2_000);
  expect(await versions.changed()).toEqual(['task-a']);
  pass(60_000);
  expect(await versions.changed()).toEqual([]);
});

test('what came while VictoriaLogs was away is named afterwards', async () => {
  const { answers, versions, fail } = started();
  fail(true);
  await expect(versions.changed()).rejects.toThrow('away');
  fail(false);
  await versions.changed();
  answers.recent = [rows('task-a', 2)];
  fail(true);
  await expect(versions.changed()).rejects.toThrow('away');
  fail(false);
  expect(await versions.changed()).toEqual(['task-a']);
});
