import { expect, test } from 'vitest';
import { severityName } from '../../src/model/severity.ts';

test('each number has the short name of the data model', () => {
  const names = Array.from({ length: 24 }, (_, at) => severityName(at + 1));
  const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
  expect(names).toEqual(levels.flatMap((name) => [name, `${name}2`, `${name}3`, `${name}4`]));
});

test.each([0, -1, 25, 1.5, Number.NaN])('%d has no name', (number) => {
  expect(severityName(number)).toBeUndefined();
});
