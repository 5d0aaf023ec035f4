import { expect, test } from 'vitest';
import type { Delivery } from '../../../../src/client/api/shapes.ts';
import { adviceOf } from '../../../../src/page/browser/deliveries/advice.ts';

const of = (more: object): Delivery =>
  ({
    provider: 'github',
    outcome: 'rejected',
    reason: null,
    task_ids: [],
    stages: [],
    ...more,
  }) as unknown as Delivery;

test.each([
  [{ reason: 'wrong_signature' }, 'GITHUB_WEBHOOK_SECRET'],
  [{ reason: 'wrong_signature', provider: 'linear' }, 'webhooks.linear.secret'],
  [{ reason: 'no @agent in the text', outcome: 'unmatched' }, 'TASK_LOGS_TRIGGER'],
  [{ reason: 'unknown command "x"; known: review', outcome: 'unmatched' }, '"commands"'],
  [{ reason: 'this delivery was taken before', outcome: 'duplicate' }, 'Comment again'],
] as const)('of %j the page says what would change it', (delivery, word) => {
  const { sentence, todo } = adviceOf(of(delivery));
  expect(sentence).not.toBe('');
  expect(todo).toContain(word);
});

test.each(['constructor', '__proto__', 'toString'])('the reason and the sender %s are words', (word) => {
  expect(adviceOf(of({ reason: word }))).toEqual({ sentence: word, todo: undefined });
  expect(adviceOf(of({ reason: 'wrong_signature', provider: word })).todo).toContain(
    `webhooks.${word}.secret`,
  );
});

test('an accepted delivery needs nothing, and an unknown reason is shown as it is', () => {
  expect(adviceOf(of({ outcome: 'accepted', task_ids: ['a', 'b'] }))).toEqual({
    sentence: 'It started 2 tasks.',
    todo: undefined,
  });
  expect(adviceOf(of({ reason: 'something new' }))).toEqual({ sentence: 'something new', todo: undefined });
});
