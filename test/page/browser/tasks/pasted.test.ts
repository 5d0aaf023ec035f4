import { expect, test } from 'vitest';
import { pastedIn } from '../../../../src/page/browser/tasks/pasted.ts';
import { parseQuery } from '../../../../src/search/query/grammar.ts';

const ORIGIN = 'http://127.0.0.1:8000';
const ID = 'task-01j5x9k3m7q2w8e4r6t0y1u5i9';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const COMMIT = '0a1b2c3d4e5f60718293a4b5c6d7e8f901234567';

test.each([
  [ID, `/tasks/${ID}`],
  [` ${ID}\n`, `/tasks/${ID}`],
  [`${ORIGIN}/tasks/my-task?line=3`, '/tasks/my-task'],
  [`${ORIGIN}/api/tasks/my-task/logs/full`, '/tasks/my-task'],
  [`${ORIGIN}/ops/workflows/workflow-1`, '/workflows/workflow-1'],
])('%s is a place of the page', (text, address) => {
  expect(pastedIn(text, ORIGIN)).toEqual({ address });
});

test.each([
  [TRACE, [`trace:${TRACE}`, `"${TRACE}"`]],
  [`00-${TRACE}-00f067aa0ba902b7-01`, [`trace:${TRACE}`, `"${TRACE}"`]],
  [
    `https://jaeger.example/trace/${TRACE}`,
    [
      `trace:${TRACE}`,
      `url:"https://jaeger.example/trace/${TRACE}"`,
      `"https://jaeger.example/trace/${TRACE}"`,
    ],
  ],
  [
    'https://github.com/acme/app/issues/42',
    ['repo:"acme/app" issue:42', '"https://github.com/acme/app/issues/42"'],
  ],
  [
    'https://github.com/acme/app/pull/42/files#r70',
    [
      'repo:"acme/app" comment_id:70',
      'repo:"acme/app" issue:42',
      '"https://github.com/acme/app/pull/42"',
      '"https://github.com/acme/app/pull/42/files#r70"',
    ],
  ],
  [
    'https://git.acme.example/acme/app/issues/42?x=1#issuecomment-7',
    [
      'repo:"acme/app" comment_id:7',
      'repo:"acme/app" issue:42',
      '"https://git.acme.example/acme/app/issues/42"',
      '"https://git.acme.example/acme/app/issues/42?x=1#issuecomment-7"',
    ],
  ],
  [
    'https://gitlab.com/acme/team/app/-/merge_requests/5#note_9',
    [
      'repo:"acme/team/app" comment_id:9',
      'repo:"acme/team/app" issue:5',
      '"https://gitlab.com/acme/team/app/-/merge_requests/5"',
      '"https://gitlab.com/acme/team/app/-/merge_requests/5#note_9"',
    ],
  ],
  [
    `https://github.com/acme/app/commit/${COMMIT}#commitcomment-3`,
    [
      'repo:"acme/app" comment_id:3',
      `url:https://github.com/acme/app/commit/${COMMIT}*`,
      '0a1b2c3*',
      `"https://github.com/acme/app/commit/${COMMIT}#commitcomment-3"`,
    ],
  ],
  [
    'https://acme.atlassian.net/browse/APP-7?focusedCommentId=10001',
    [
      'issue:APP-7 comment_id:10001',
      'issue:APP-7',
      '"APP-7"',
      '"https://acme.atlassian.net/browse/APP-7?focusedCommentId=10001"',
    ],
  ],
  [
    'https://acme.atlassian.net/jira/software/projects/APP/boards/1?selectedIssue=APP-7',
    [
      'issue:APP-7',
      '"APP-7"',
      '"https://acme.atlassian.net/jira/software/projects/APP/boards/1?selectedIssue=APP-7"',
    ],
  ],
  [
    'https://linear.app/acme/issue/ENG-7/a-title',
    ['issue:ENG-7', '"ENG-7"', '"https://linear.app/acme/issue/ENG-7/a-title"'],
  ],
  ['APP-7', ['issue:APP-7', 'APP-7']],
  [
    'https://github.com/acme/app',
    ['url:"https://github.com/acme/app"', 'repo:"acme/app"', '"https://github.com/acme/app"'],
  ],
])('%s is searched for, the best way first', (text, searches) => {
  expect(pastedIn(text, ORIGIN)).toEqual({ searches });
  for (const q of searches)
    expect(parseQuery(q, 0).fields.length + parseQuery(q, 0).terms.length).toBeGreaterThan(0);
});

test.each(['status:failed', 'fix it', 'task-1', 'UTF-8 is odd', 'see https://a.example/x', 'https://', ''])(
  '%s is a query',
  (text) => {
    expect(pastedIn(text, ORIGIN)).toBeUndefined();
  },
);
