import { expect, test } from 'vitest';
import { RULES } from '../../src/redact/find.ts';
import { spelledOut } from '../../src/redact/hints.ts';
import { redact } from '../../src/redact/redact.ts';

test('each rule has hints of at least three characters and a kind that a mask can say', () => {
  for (const { kind, hints } of RULES) {
    expect(kind).toMatch(/^[a-z0-9-]{3,40}$/);
    for (const hint of hints.flatMap(spelledOut)) expect(hint.length, kind).toBeGreaterThanOrEqual(3);
  }
  expect(RULES.length).toBeGreaterThan(120);
});

test('a hint alone is no secret', () => {
  for (const { hints } of RULES) {
    for (const hint of hints.flatMap((one) => spelledOut(one).slice(0, 1)))
      expect(redact(`a ${hint} b`)).toBe(`a ${hint} b`);
  }
});
