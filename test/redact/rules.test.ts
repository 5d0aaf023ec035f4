import { expect, test } from 'vitest';
import { spelledOut } from '../../src/redact/hints.ts';
import { redact } from '../../src/redact/redact.ts';
import { RULES } from '../../src/redact/rules/all.ts';
import { rowOf } from './rule-rows.ts';

test('each rule has hints of at least three characters and a kind that a mask can say', () => {
  for (const { kind, hints } of RULES) {
    expect(kind).toMatch(/^[a-z0-9-]{3,40}$/);
    for (const hint of hints.flatMap(spelledOut)) expect(hint.length, kind).toBeGreaterThanOrEqual(3);
  }
  expect(RULES.length).toBeGreaterThan(120);
});

for (const rule of RULES) {
  const { secret, near } = rowOf(rule);
  test(`${rule.kind} ${rule.hints[0]}: its secret is masked, what is nearly one stays`, () => {
    const masked = redact(`a ${secret} b`);
    expect(masked, secret).toMatch(/^a .*\[redacted:[a-z0-9-]+\] b$/);
    expect(masked.length).toBeLessThan(secret.length + 40);
    if (rule.keepsHint !== true) expect(masked, secret).toBe(`a [redacted:${rule.kind}] b`);
    for (const text of near) expect(redact(`a ${text} b`)).toBe(`a ${text} b`);
  });
}
