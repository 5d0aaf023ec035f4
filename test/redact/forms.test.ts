import { expect, test } from 'vitest';
import { FORMS, randomOf, sampleOf } from './forms.ts';
import { isLeft, WAYS } from './ways-in.ts';

/** Half of such a secret stands before what shows its form: a piece cannot know it, and is passed on at once. */
const SHOWN_LATE = new Set(['Telegram token', 'Mailchimp key', 'Terraform token', 'Azure client secret']);

const SAMPLES = FORMS.map((form, index) => sampleOf(form, randomOf(7919 * index + 1)));

test('the table has at least 73 forms and 25 ways', () => {
  expect(FORMS.length).toBeGreaterThanOrEqual(73);
  expect(WAYS.length).toBeGreaterThanOrEqual(25);
});

for (const way of WAYS) {
  test(`no form survives: ${way.name}`, () => {
    const left = SAMPLES.filter((sample) => {
      if (way.tokensOnly === true && !sample.isToken) return false;
      if (way.isInPieces === true && SHOWN_LATE.has(sample.form.name)) return false;
      return way.run(sample).some((outcome) => isLeft(outcome));
    });
    expect(left.map(({ form, text }) => [form.name, text])).toEqual([]);
  });
}
