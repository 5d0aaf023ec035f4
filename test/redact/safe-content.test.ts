import { expect, test } from 'vitest';
import { safeContent } from '../../src/redact/safe-content.ts';

const MIB = 1024 * 1024;
const TOKEN = `ghp_${'B'.repeat(36)}`;

test('a token across the cut is masked completely', () => {
  for (const before of [MIB - 1, MIB - 4, MIB - 20, MIB - 39]) {
    const { text } = safeContent(`${'q'.repeat(before)}${TOKEN}${' '.repeat(100)}`);
    expect(Buffer.byteLength(text)).toBe(MIB);
    expect(text.slice(before)).toBe('[redacted:github-token]'.padEnd(200).slice(0, MIB - before));
  }
});

test('a content that fits after masking is not cut', () => {
  expect(safeContent(`${'q'.repeat(MIB - 30)}${TOKEN}`)).toEqual({
    text: `${'q'.repeat(MIB - 30)}[redacted:github-token]`,
  });
});

test('the reported size of a cut content is its original size', () => {
  const content = `${TOKEN}${'é'.repeat(MIB)}`;
  expect(safeContent(content).originalBytes).toBe(Buffer.byteLength(content));
});

test('masking and cutting a cut content again does not change it', { tags: 'full' }, () => {
  for (let before = MIB - 24; before <= MIB; before += 1) {
    for (const secret of [`TOKEN=${TOKEN}`, `https://a:${'B'.repeat(8)}@h`]) {
      const { text } = safeContent(`${'q'.repeat(before)}${secret}${' '.repeat(100)}`);
      expect(safeContent(text)).toEqual({ text });
    }
  }
});

test('data becomes JSON text with masked strings', () => {
  expect(safeContent({ a: [`\n${TOKEN}`], n: 1 })).toEqual({
    text: '{"a":["\\n[redacted:github-token]"],"n":1}',
  });
});
