import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Trail } from '../../../src/trail/trail.ts';
import { signSubject } from '../../../src/webhooks/repeats/subject.ts';
import { asEvent, comment, deliver } from '../../support/deliveries.ts';
import { openReceiver, openTrail, type Receiver, readDeliveries } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { ALL_OPTIONS, jiraComment, post, SECRETS, slackMessage, VENDOR } from '../../support/vendors.ts';

let logDir: string;
let trail: Trail;
let receiver: Receiver;

beforeAll(async () => {
  logDir = await mkdtemp(join(tmpdir(), 'tasktrail-subject-'));
  trail = await openTrail(logDir);
  receiver = await openReceiver(ALL_OPTIONS);
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(logDir, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly taskIds: readonly string[];
  readonly deliveryId: string;
}

type Send = () => Promise<Answer>;

/** A GitHub delivery with an id of its own. */
function github(event: string, payload: object): Send {
  return async () => {
    const deliveryId = randomUUID();
    const secret = SECRETS.new;
    const body = asEvent(event, payload);
    return read(await deliver(receiver.url, body, { event, id: deliveryId, secret }), deliveryId);
  };
}

function jira(payload: object): Send {
  return async () => {
    const deliveryId = randomUUID();
    const body = JSON.stringify(payload);
    const headers = { ...VENDOR.jira.sign(body), 'x-atlassian-webhook-identifier': deliveryId };
    return read(await post(receiver.url, 'jira', { headers, body }), deliveryId);
  };
}

function slack(event: object, more: object = {}): Send {
  return async () => {
    const deliveryId = `Ev${randomUUID()}`;
    const body = JSON.stringify(slackMessage('@agent review', { event_id: deliveryId, ...more }, event));
    return read(await post(receiver.url, 'slack', { headers: VENDOR.slack.sign(body), body }), deliveryId);
  };
}

async function read(response: Response, deliveryId: string): Promise<Answer> {
  const { task_ids: taskIds = [] } = (await response.json()) as { readonly task_ids?: readonly string[] };
  return { status: response.status, taskIds, deliveryId };
}

async function lineOf({ deliveryId }: Answer): Promise<Record<string, unknown>> {
  return until(
    async () => (await readDeliveries(logDir)).find((line) => line.delivery_id === deliveryId),
    `the line of ${deliveryId}`,
  );
}

/** A whole number that no other call returns. */
function fresh(): number {
  return Math.floor(Math.random() * 1e12);
}

const REVIEW = '@agent review';
const HOOK = { repository: { id: 5, full_name: 'acme/app' } };
const RENAMED = { repository: { id: 5, full_name: 'acme/shop' } };
const OTHER = { repository: { id: 6, full_name: 'acme/other' } };
const DAY_MS = 86_400_000;

function site(host: string, id: number): object {
  const self = `https://${host}/rest/api/2/comment/${id}`;
  return { self, id: String(id), author: { accountType: 'atlassian' }, body: REVIEW };
}

function ts(ageMs = 0): string {
  return `${((Date.now() - ageMs) / 1_000).toFixed(3)}${String(fresh()).slice(0, 3)}`;
}

function issueUpdate(more: object): object {
  return { webhookEvent: 'jira:issue_updated', user: { accountType: 'atlassian' }, ...more };
}

/** Each makes two deliveries of one thing. */
const SAME: readonly (readonly [string, () => readonly [Send, Send]])[] = [
  [
    'a comment, from the webhooks of the repository and of its organisation',
    () => {
      const id = fresh();
      const organization = { organization: { id: 9, login: 'acme' } };
      return [
        github('issue_comment', comment(REVIEW, HOOK, id)),
        github('issue_comment', comment(REVIEW, { ...HOOK, ...organization }, id)),
      ];
    },
  ],
  [
    'a comment, before and after its repository is renamed',
    () => {
      const id = fresh();
      return [
        github('issue_comment', comment(REVIEW, HOOK, id)),
        github('issue_comment', comment(REVIEW, RENAMED, id)),
      ];
    },
  ],
  [
    'an issue, before and after its transfer to another repository',
    () => {
      const old = { number: fresh(), id: fresh() };
      const now = {
        number: fresh(),
        id: fresh(),
        body: REVIEW,
        created_at: new Date(Date.now() - DAY_MS).toISOString(),
      };
      const changes = { old_issue: old, old_repository: HOOK.repository };
      return [
        github('issues', comment(null, { ...HOOK, action: 'opened', issue: { ...old, body: REVIEW } })),
        github('issues', comment(null, { ...OTHER, action: 'opened', issue: now, changes })),
      ];
    },
  ],
  [
    'a comment of Jira, as its own event and as an update of its issue',
    () => {
      const both = { comment: site('acme.atlassian.net', fresh()) };
      return [
        jira(jiraComment('', both)),
        jira(issueUpdate({ issue_event_type_name: 'issue_commented', ...both })),
      ];
    },
  ],
  [
    'a comment of Jira, with the addresses of two versions of its API',
    () => {
      const one = site('acme.atlassian.net', fresh());
      const self = String(Reflect.get(one, 'self')).replace('/api/2/', '/api/3/');
      return [jira(jiraComment('', { comment: one })), jira(jiraComment('', { comment: { ...one, self } }))];
    },
  ],
  [
    'a comment of Jira, and its edit',
    () => {
      const one = { ...site('acme.atlassian.net', fresh()), created: '2999-01-01T00:00:00.000+0000' };
      return [
        jira(jiraComment('', { comment: one })),
        jira(jiraComment('', { webhookEvent: 'comment_updated', comment: one })),
      ];
    },
  ],
  [
    'a message, as a mention and as a message',
    () => {
      const at = { ts: ts() };
      return [slack(at), slack({ ...at, type: 'message' })];
    },
  ],
  [
    'a message, and its edit',
    () => {
      const at = { ts: ts() };
      return [slack(at), slack({ ...at, edited: { user: 'U1', ts: ts() } })];
    },
  ],
  [
    'an answer in a thread, also sent to the channel',
    () => {
      const at = { ts: ts(), thread_ts: ts() };
      return [slack(at), slack({ ...at, type: 'message', subtype: 'thread_broadcast' })];
    },
  ],
];

test.each(SAME)('%s starts one task', async (_what, make) => {
  const before = receiver.tasks.length;
  const [first, second] = make();
  const [once, twice] = [await first(), await second()];
  expect([once.status, twice.status]).toEqual([202, 200]);
  expect(receiver.tasks.length).toBe(before + 1);
  expect(once.taskIds).toEqual([receiver.tasks.at(-1)?.id]);
  expect(twice.taskIds).toEqual(once.taskIds);
  const [line, repeated] = [await lineOf(once), await lineOf(twice)];
  expect(repeated).toMatchObject({
    outcome: 'duplicate',
    reason: 'another delivery of the same comment, message or issue was taken before',
    task_ids: once.taskIds,
  });
  expect(repeated.subject).toBe(line.subject);
  expect(repeated.subject_macs).toEqual(line.subject_macs);
  expect(line.subject_macs).toEqual({ review: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

test.each(SAME)(
  '%s, at the same time and with a repetition of each, starts one task',
  async (_what, make) => {
    const before = receiver.tasks.length;
    const sends = make();
    const answers = await Promise.all([...sends, ...sends].map((send) => send()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 202]);
    expect(receiver.tasks.length).toBe(before + 1);
    expect(new Set(answers.flatMap(({ taskIds }) => taskIds)).size).toBe(1);
  },
);

test.each<readonly [string, () => readonly Send[]]>([
  [
    'comments with one id in two repositories',
    () => {
      const id = fresh();
      return [HOOK, OTHER].map((at) => github('issue_comment', comment(REVIEW, at, id)));
    },
  ],
  [
    'an issue comment and a review comment with one id',
    () => {
      const id = fresh();
      return ['issue_comment', 'pull_request_review_comment', 'commit_comment'].map((event) =>
        github(event, comment(REVIEW, HOOK, id)),
      );
    },
  ],
  [
    'an issue and its first comment with the same text',
    () => {
      const issue = { number: fresh(), body: REVIEW };
      return [
        github('issues', comment(null, { ...HOOK, action: 'opened', issue })),
        github('issue_comment', comment(REVIEW, { ...HOOK, issue })),
      ];
    },
  ],
  [
    'a review and one of its comments',
    () => {
      const review = { id: fresh(), body: REVIEW };
      const one = comment(REVIEW, { ...HOOK, review });
      return [
        github('pull_request_review', { ...one, action: 'submitted' }),
        github('pull_request_review_comment', one),
      ];
    },
  ],
  [
    'comments with one id in two sites of Jira',
    () => {
      const id = fresh();
      return ['acme.atlassian.net', 'other.atlassian.net'].map((host) =>
        jira(jiraComment('', { comment: site(host, id) })),
      );
    },
  ],
  [
    'messages with one timestamp in two channels and two workspaces',
    () => {
      const at = { ts: ts() };
      return [slack(at), slack({ ...at, channel: 'C2' }), slack(at, { team_id: 'T2' })];
    },
  ],
  [
    'a message and an answer in its thread',
    () => {
      const first = ts();
      return [slack({ ts: first }), slack({ ts: ts(), thread_ts: first })];
    },
  ],
])('%s start a task each', async (_what, make) => {
  const answers = await Promise.all(make().map((send) => send()));
  for (const { status } of answers) expect(status).toBe(202);
  expect(new Set(answers.flatMap(({ taskIds }) => taskIds)).size).toBe(answers.length);
});

describe('edits', () => {
  /** A GitHub comment and its edits. */
  function texts(id: number, ...all: readonly string[]): readonly Send[] {
    return all.map((body, index) => {
      const from = all[index - 1];
      const edit = from === undefined ? {} : { action: 'edited', changes: { body: { from } } };
      return github('issue_comment', comment(body, { ...HOOK, ...edit }, id));
    });
  }

  async function commandsOf(sends: readonly Send[]): Promise<readonly string[]> {
    const before = receiver.tasks.length;
    for (const send of sends) await send();
    return receiver.tasks.slice(before).map(({ command }) => command);
  }

  test('a command that an edit adds starts, and the earlier one does not start again', async () => {
    expect(await commandsOf(texts(fresh(), 'good morning', REVIEW))).toEqual(['review']);
    expect(await commandsOf(texts(fresh(), REVIEW, `${REVIEW} please`, `${REVIEW}\n@agent fix`))).toEqual([
      'review',
      'fix',
    ]);
  });

  test('a command that an edit removes and another one adds again does not start again', async () => {
    const [first, removed, again] = texts(fresh(), REVIEW, 'never mind', REVIEW) as [Send, Send, Send];
    const { taskIds } = await first();
    expect((await removed()).status).toBe(200);
    const repeated = await again();
    expect(repeated).toMatchObject({ status: 200, taskIds });
    expect(await lineOf(repeated)).toMatchObject({ outcome: 'duplicate', task_ids: taskIds });
  });

  test('the answer to an edit with one new command names the tasks of all its commands', async () => {
    const [first, edit] = texts(fresh(), REVIEW, `${REVIEW}\n@agent fix`) as [Send, Send];
    const { taskIds } = await first();
    // GitHub says what the text was. Without that, as from Slack, the tasks of the comment are what is known.
    const at = { ts: ts() };
    const message = await slack({ ...at, text: REVIEW })();
    const both = await slack({ ...at, text: `${REVIEW}\n@agent fix`, edited: {} })();
    expect(both).toMatchObject({ status: 202, taskIds: [...message.taskIds, receiver.tasks.at(-1)?.id] });
    const second = await edit();
    expect(second.status).toBe(202);
    expect(second.taskIds).toEqual([receiver.tasks.at(-1)?.id]);
    expect(taskIds).not.toEqual(second.taskIds);
    expect(await lineOf(second)).toMatchObject({ outcome: 'accepted', task_ids: second.taskIds });
  });

  test('an edit that arrives while the first text is being started waits for it, and starts its own command', async () => {
    const started: string[] = [];
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await openReceiver({
      ...ALL_OPTIONS,
      onTask: async (task) => {
        started.push(task.command);
        if (task.command === 'review') await gate;
      },
    });
    const id = fresh();
    const payloads = [REVIEW, `@agent fix\n${REVIEW}`].map((text) => comment(text, HOOK, id));
    const send = (payload: object | undefined): Promise<Response> =>
      deliver(slow.url, payload ?? {}, { secret: SECRETS.new });
    const first = send(payloads[0]);
    await until(() => started.length > 0, 'the first command');
    const others = [send(payloads[1]), send(payloads[0])];
    // Both are verified and read when an answer to a later request is there.
    await (await fetch(`${slow.url}/webhooks/github`, { method: 'POST', body: '{}' })).text();
    expect(started).toEqual(['review']);
    release();
    const [once, edited, again] = await Promise.all(
      [first, ...others].map(async (one) => read(await one, '')),
    );
    expect([once?.status, edited?.status, again?.status]).toEqual([202, 202, 200]);
    expect(started).toEqual(['review', 'fix']);
    expect(edited?.taskIds).toHaveLength(2);
    expect(edited?.taskIds[1]).toBe(once?.taskIds[0]);
    expect(again?.taskIds).toEqual(once?.taskIds);
    await slow.close();
  });

  test.each<readonly [string, () => Send]>([
    [
      'a title',
      () =>
        github(
          'issues',
          comment(null, {
            action: 'edited',
            issue: { number: fresh(), body: REVIEW },
            changes: { title: { from: 'a' } },
          }),
        ),
    ],
    [
      'a comment without the text before',
      () => github('issue_comment', comment(REVIEW, { action: 'edited' })),
    ],
    [
      'a comment by a bot',
      () =>
        github(
          'issue_comment',
          comment(REVIEW, { action: 'edited', changes: { body: { from: '' } }, sender: { type: 'Bot' } }),
        ),
    ],
    ['a message of five days ago', () => slack({ ts: ts(5 * DAY_MS), edited: {} })],
    ['a message without a time', () => slack({ ts: 'soon', edited: {} })],
    [
      'a comment of Jira of five days ago',
      () =>
        jira(
          jiraComment('', {
            webhookEvent: 'comment_updated',
            comment: {
              ...site('acme.atlassian.net', fresh()),
              created: new Date(Date.now() - 5 * DAY_MS).toISOString(),
            },
          }),
        ),
    ],
    [
      'an old issue that is transferred',
      () =>
        github(
          'issues',
          comment(null, {
            action: 'opened',
            issue: { number: fresh(), body: REVIEW, created_at: '2020-01-01T00:00:00Z' },
            changes: { old_issue: { number: 1 }, old_repository: { id: 1 } },
          }),
        ),
    ],
  ])('an edit of %s starts nothing', async (_what, make) => {
    const before = receiver.tasks.length;
    expect((await make()()).status).toBe(200);
    expect(receiver.tasks.length).toBe(before);
  });

  test('a message that Slack reports as changed starts what its earlier text had not', async () => {
    const change = (now: string, before: string): Send => {
      const [message, previous_message] = [now, before].map((text) => ({
        type: 'message',
        user: 'U1',
        ts: at,
        text,
      }));
      return slack({ type: 'message', subtype: 'message_changed', ts: ts(), message, previous_message });
    };
    const at = ts();
    // The preview of a link: the text is the same.
    expect(await commandsOf([change(REVIEW, REVIEW)])).toEqual([]);
    expect(await commandsOf([change(REVIEW, '@agent reviw'), change(REVIEW, '')])).toEqual(['review']);
    expect(await commandsOf([slack({ ts: at, edited: {} })])).toEqual([]);
  });
});

test('deliveries without an id and a subject are new unless their bytes are the same', async () => {
  const send = async (team: string): Promise<number> => {
    const body = JSON.stringify({
      ...slackMessage(REVIEW, { event_id: undefined }),
      event: { type: 'app_mention', text: REVIEW, team },
    });
    const request = { headers: VENDOR.slack.sign(body), body };
    const { status } = await read(await post(receiver.url, 'slack', request), '');
    if (team === 'T2') expect((await read(await post(receiver.url, 'slack', request), '')).status).toBe(200);
    return status;
  };
  expect([await send('T1'), await send('T2')]).toEqual([202, 202]);
});

test('a command of a subject is signed with every secret, for its provider', () => {
  const sign = (name: string, secrets: readonly string[], given: string | undefined = 'comment 1') =>
    signSubject({ name, secrets }, given);
  const macsOf = (...args: Parameters<typeof sign>): readonly string[] => sign(...args)?.macsOf('fix') ?? [];
  const both = macsOf('github', ['new', 'old']);
  expect(both).toEqual([...macsOf('github', ['new']), ...macsOf('github', ['old'])]);
  for (const mac of both) expect(mac).toMatch(/^[0-9a-f]{32}$/);
  const others = [macsOf('jira', ['new']), macsOf('github', ['new'], 'comment 2')].flat();
  const review = sign('github', ['new'])?.macsOf('review') ?? [];
  expect(new Set([...both, ...others, ...review]).size).toBe(5);
  expect(sign('github', [])).toBeUndefined();
  expect(signSubject({ name: 'github', secrets: ['new'] }, undefined)).toBeUndefined();
  // Long names stay different.
  const [long, longer] = ['a', 'b'].map(
    (end) => sign('github', ['new'], 'x'.repeat(1_000) + end)?.name ?? '',
  );
  expect(long).not.toBe(longer);
  expect(long?.length).toBeLessThanOrEqual(128);
});
