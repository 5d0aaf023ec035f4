import { expect, onTestFinished, test, vi } from 'vitest';
import type { Row, VictoriaLogs } from '../../../src/warehouse/client.ts';
import { RowVersions } from '../../../src/warehouse/read/row-versions.ts';

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
    pieces: async function* () {
      check();
      yield answers.all;
    },
  };
  return {
    logs: logs as unknown as VictoriaLogs,
    fail: (isAway) => {
      isFailing = isAway;
    },
  };
}

/** Of a piece of time, shortly before the first call. */
function rows(unit: string, count: number, second: 20 | 30 = 20): Row {
  const piece = `1970-01-01T00:16:${second}Z`;
  return { unit, _time: piece, rows: String(count), latest: piece.replace('0Z', '5Z') };
}

function started(all: readonly Row[] = []) {
  const answers: Answers = { recent: [], all };
  let nowMs = 1_000_000;
  const { logs, fail } = logsWith(answers);
  const versions = new RowVersions(logs, () => nowMs);
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
  answers.recent = [rows('task-a', 3), rows('task-b', 1), rows('task-b', 1, 30)];
  expect(await versions.changed()).toEqual(['task-a', 'task-b']);
  expect(await versions.of('task-a')).toBe('10 1970-01-01T00:16:25.000000000Z');
  expect(await versions.of('task-c')).toBeUndefined();
});

test('the first answer has the rows of the last seconds once', async () => {
  const { answers, versions } = started([rows('task-a', 7)]);
  answers.recent = [rows('task-a', 2)];
  expect(await versions.of('task-a')).toBe('7 1970-01-01T00:16:25.000000000Z');
  expect(await versions.changed()).toEqual(['task-a']);
  expect(await versions.of('task-a')).toBe('7 1970-01-01T00:16:25.000000000Z');
});

test('a task is named once more when it has settled', async () => {
  const { answers, versions, pass } = started();
  await versions.changed();
  answers.recent = [rows('task-a', 2)];
  expect(await versions.changed()).toEqual(['task-a']);
  answers.recent = [];
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

test('a count of all rows finds what services with wrong clocks have stored', async () => {
  const { answers, versions } = started([rows('task-a', 7)]);
  await versions.changed();
  answers.all = [rows('task-a', 8), rows('task-b', 1)];
  expect(await versions.changed()).toEqual([]);
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 301_000);
  onTestFinished(() => clock.mockRestore());
  expect(await versions.changed()).toEqual(['task-a', 'task-b']);
  expect(await versions.of('task-b')).toBe('1 1970-01-01T00:16:25.000000000Z');
});

test('names come in the order in which the first rows came, with the time of all that is known of them', async () => {
  const row = (unit: string, first: string, latest: string): Row => ({ unit, rows: '2', first, latest });
  const { answers, versions } = started([
    row('task-b', '1970-01-01T00:10:00.5Z', '1970-01-01T00:10:02.123456789Z'),
    row('task-a', '1970-01-01T00:00:01Z', '1970-01-01T00:00:03Z'),
  ]);
  expect(await versions.names()).toEqual(['task-a', 'task-b']);
  expect(versions.timeOf(['task-b'])).toBe('_time:[1970-01-01T00:10:00.500Z, 1970-01-01T00:10:02.124Z)');
  expect(versions.timeOf(['task-a', 'task-b'])).toBe(
    '_time:[1970-01-01T00:00:01.000Z, 1970-01-01T00:10:02.124Z)',
  );
  // What is not known has no time.
  expect(versions.timeOf(['task-a', 'task-c'])).toBe('');
  answers.recent = [rows('task-a', 1), rows('task-c', 1)];
  expect(await versions.changed()).toEqual(['task-a', 'task-c']);
  expect(versions.timeOf(['task-a'])).toBe('_time:[1970-01-01T00:00:01.000Z, 1970-01-01T00:16:25.001Z)');
  expect(versions.timeOf(['task-c'])).toBe('_time:[1970-01-01T00:16:20.000Z, 1970-01-01T00:16:25.001Z)');
});
