import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { reasonWord } from '../../../src/trail/metrics/reasons.ts';
import { matchCommands } from '../../../src/webhooks/command.ts';
import { filterReason } from '../../../src/webhooks/custom/event-filter.ts';
import type { FieldValues } from '../../../src/webhooks/custom/sender-options.ts';

const WEBHOOKS = resolve(import.meta.dirname, '../../../src/webhooks');
const sources = readdirSync(WEBHOOKS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(WEBHOOKS, name), 'utf8'));

/** Every reason in the sources; placeholders of templates are filled with `x`. */
function reasons(): string[] {
  const found = sources.flatMap((text) => [
    ...text.matchAll(/reason: '([^']+)'/g),
    ...text.matchAll(/reason: `([^`]+)`/g),
    ...text.matchAll(/malformed\('([a-z_]+)'/g),
    ...text.matchAll(/ERR_[A-Z_]+: '([a-z_]+)'/g),
    ...text.matchAll(/outcome\('[a-z]+', '([^']+)'/g),
  ]);
  return [...new Set(found.map(([, reason = '']) => reason.replaceAll(/\$\{[^}]+\}/g, 'x')))];
}

test('every reason in the sources of the webhooks has a word of its own', () => {
  expect(reasons().length).toBeGreaterThan(25);
  expect(reasons().filter((reason) => reasonWord(reason) === 'other')).toEqual([]);
});

test('a reason of one word is its own label', () => {
  const words = reasons().filter((reason) => /^[a-z_]+$/.test(reason));
  expect(words.length).toBeGreaterThan(15);
  expect(words.map(reasonWord)).toEqual(words);
});

test.each([
  ['hello', 'no_trigger'],
  ['@agent dance', 'unknown_command'],
])('%j starts nothing: %s', (text, word) => {
  const match = matchCommands([text], { trigger: '@agent', commands: ['review'] });
  expect(match.matched ? 'matched' : reasonWord(match.reason)).toBe(word);
});

test.each<[what: string, only: FieldValues, ignore: FieldValues, word: string]>([
  ['another event', { event: ['note'] }, {}, 'filtered'],
  ['a missing field', { author: ['jo'] }, {}, 'filtered'],
  ['an ignored value', {}, { event: ['push'] }, 'filtered'],
  ['an ignored missing field', {}, { author: [''] }, 'filtered'],
  ['a bot', {}, { bot: [true] }, 'bot'],
])('%s of a sender of the configuration is counted by a fixed word', (_what, only, ignore, word) => {
  const fields: Readonly<Record<string, string>> = { event: 'push', bot: 'true' };
  const reason = filterReason((field) => fields[field], only, ignore);
  expect(reasonWord(reason ?? null)).toBe(word);
});

test.each([
  [null, ''],
  ['', ''],
  ['the disk is full at /data', 'other'],
  ['this delivery was taken before', 'redelivery'],
  ['another delivery of the same comment, message or issue was taken before', 'redelivery'],
  ['__proto__', 'other'],
  ['x'.repeat(100_000), 'other'],
])('%.20j is counted as %j', (reason, word) => {
  expect(reasonWord(reason)).toBe(word);
});
