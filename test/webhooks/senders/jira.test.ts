import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Trail } from '../../../src/trail/trail.ts';
import { openReceiver, openTrail, type Receiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { jiraComment, jiraIssue, post, VENDOR } from '../../support/vendors.ts';

let logDir: string;
let trail: Trail;
let receiver: Receiver;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-jira-'));
  trail = await openTrail(logDir);
  receiver = await openReceiver(VENDOR.jira.options);
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

function send(payload: object): Promise<Response> {
  const body = JSON.stringify(payload);
  const headers = { ...VENDOR.jira.sign(body), 'x-atlassian-webhook-identifier': randomUUID() };
  return post(receiver.url, 'jira', { headers, body });
}

const USER = { accountId: '5b10a2', displayName: 'Jo', accountType: 'atlassian' };

function updated(more: object): object {
  return {
    webhookEvent: 'jira:issue_updated',
    issue_event_type_name: 'issue_updated',
    user: USER,
    issue: jiraIssue(),
    ...more,
  };
}

function changed(from: string | null, to: string): object {
  const items = [
    { field: 'summary', fromString: 'a', toString: 'b' },
    { field: 'description', fromString: from, toString: to },
  ];
  return updated({ issue: jiraIssue({ description: to }), changelog: { id: '1', items } });
}

test('a comment starts a task with its source', async () => {
  expect((await send(jiraComment('@agent review'))).status).toBe(202);
  expect(receiver.tasks.at(-1)?.input.sourceMetadata).toMatchObject({
    event_type: 'comment_created',
    issue_key: 'APP-42',
    project: 'APP',
    user: 'Jo',
    title: 'It is slow',
    url: 'https://acme.atlassian.net/browse/APP-42',
  });
});

test.each([
  [
    'a new issue',
    { webhookEvent: 'jira:issue_created', user: USER, issue: jiraIssue({ description: '@agent review' }) },
  ],
  ['a description with a new command', changed(null, '@agent review')],
  ['a description with one more command', changed('@agent fix', '@agent fix, then @agent review')],
  ['a command that was code before', changed('{code}@agent review{code}', '@agent review')],
  ['a bold command', jiraComment('{color:red}*@agent review*{color}')],
  [
    'a command after a code block with a fence',
    jiraComment({
      type: 'doc',
      content: [
        { type: 'codeBlock', content: [{ type: 'text', text: '```' }] },
        { type: 'paragraph', content: [{ type: 'text', text: '@agent review' }] },
      ],
    }),
  ],
  [
    'an update with a comment',
    updated({ issue_event_type_name: 'issue_commented', comment: { body: '@agent review', author: USER } }),
  ],
])('%s starts a task', async (_what, payload) => {
  expect((await send(payload)).status).toBe(202);
  expect(receiver.tasks.at(-1)?.command).toBe('review');
});

test.each([
  ['a description with the same command as before', changed('@agent review please', '@agent review, please')],
  ['a command that is bold now', changed('@agent review', '*@agent review*')],
  [
    'an update of something else',
    updated({
      changelog: { items: [{ field: 'status' }] },
      issue: jiraIssue({ description: '@agent review' }),
    }),
  ],
  [
    'an edited comment',
    updated({
      issue_event_type_name: 'issue_comment_edited',
      comment: { body: '@agent review', author: USER },
    }),
  ],
  ['comment_updated', { webhookEvent: 'comment_updated', comment: { body: '@agent review', author: USER } }],
  [
    'an app’s comment',
    jiraComment('@agent review', { comment: { body: '@agent review', author: { accountType: 'app' } } }),
  ],
  [
    'an app’s issue',
    {
      webhookEvent: 'jira:issue_created',
      user: { accountType: 'app' },
      issue: jiraIssue({ description: '@agent review' }),
    },
  ],
  ['code', jiraComment('{code:java}\n@agent review\n{code} and {{@agent review}}')],
  ['a quotation', jiraComment('{quote}@agent review{quote}\nbq. @agent review')],
  [
    'code in a document',
    jiraComment({
      type: 'doc',
      content: [{ type: 'codeBlock', content: [{ type: 'text', text: '@agent review' }] }],
    }),
  ],
  [
    'a document of wrong types',
    jiraComment({ type: 'doc', content: [1, null, { type: 7, content: 'x' }, [[]]] }),
  ],
])('%s starts nothing', async (_what, payload) => {
  const before = receiver.tasks.length;
  const response = await send(payload);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: 'received' });
  expect(receiver.tasks.length).toBe(before);
});

test('a comment that is sent as its own event and as an update starts one task', async () => {
  const before = receiver.tasks.length;
  const comment = {
    self: `https://acme.atlassian.net/c/${randomUUID()}`,
    body: '@agent review',
    author: USER,
  };
  const answers = await Promise.all([
    send(jiraComment('', { comment })),
    send(updated({ issue_event_type_name: 'issue_commented', comment })),
  ]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 202]);
  expect(receiver.tasks.length).toBe(before + 1);
});

test('an Atlassian Document is read as text', async () => {
  const text = (value: string, marks?: object[]): object => ({
    type: 'text',
    text: value,
    ...(marks && { marks }),
  });
  const paragraph = (...content: object[]): object => ({ type: 'paragraph', content });
  await send(
    jiraComment({
      version: 1,
      type: 'doc',
      content: [
        paragraph({ type: 'mention', attrs: { id: '1', text: '@agent' } }, text(' review '), {
          type: 'emoji',
          attrs: { shortName: ':smile:', text: '😄' },
        }),
        { type: 'heading', attrs: { level: 2 }, content: [text('Why')] },
        {
          type: 'bulletList',
          content: [
            { type: 'listItem', content: [paragraph(text('one'), { type: 'hardBreak' }, text('more'))] },
          ],
        },
        { type: 'orderedList', content: [{ type: 'listItem', content: [paragraph(text('two'))] }] },
        { type: 'blockquote', content: [paragraph(text('@agent fix'))] },
        { type: 'codeBlock', attrs: { language: 'js' }, content: [text('a()')] },
        {
          type: 'panel',
          content: [
            paragraph(text('x', [{ type: 'code' }]), text(' '), {
              type: 'inlineCard',
              attrs: { url: 'https://a.test' },
            }),
          ],
        },
      ],
    }),
  );
  const task = receiver.tasks.at(-1);
  expect(task?.command).toBe('review');
  expect(task?.message).toBe(
    '@agent review 😄\n## Why\n- one\n  more\n1. two\n> @agent fix\n```js\na()\n```\n`x` https://a.test',
  );
});

test.each([
  ['at its start', (filler: string) => `@agent review 🙂\n${filler}`],
  ['at its end', (filler: string) => `${filler}\n🙂 @agent review`],
])('a description of 1 MB with emoji and the command %s is stored whole', async (_what, make) => {
  const description = make('Größe 🙂 日本語 {code} < & '.repeat(30_000));
  expect(Buffer.byteLength(description)).toBeGreaterThan(950_000);
  const response = await send({
    webhookEvent: 'jira:issue_created',
    user: USER,
    issue: jiraIssue({ description }),
  });
  expect(response.status).toBe(202);
  const task = receiver.tasks.at(-1);
  expect(task?.message).toBe(description);
  const input = await until(() => trail.reader.readDocument(task?.id ?? '', 'input'), 'the input');
  expect(input.message).toBe(description);
});
