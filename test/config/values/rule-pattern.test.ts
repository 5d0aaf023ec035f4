import { expect, test } from 'vitest';
import { patternProblem } from '../../../src/config/values/rule-pattern.ts';

test.each(['BADGE-[0-9]{6}', 'acme_[a-z0-9]{20,}', '\\bX[A-Z]+\\b'])(
  'a pattern in linear time is taken: %s',
  (pattern) => {
    expect(patternProblem(pattern)).toBeUndefined();
  },
);

test.each([
  ['(', /no regular expression/],
  ['a*', /empty text/],
  ['(a+)+b', /repeats a group/],
  ['(a)\\1', /refers back/],
  ['a+b', /linear/],
  ['a+a+a+a+b', /linear/],
  ['[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*!', /linear/],
  ['(?:a|aa)+$', /linear/],
])('another is refused with the reason: %s', (pattern, reason) => {
  expect(patternProblem(pattern)).toMatch(reason);
});
