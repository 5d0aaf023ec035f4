import { createHmac, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

export const SECRET = 'a secret of the tests';

export function sign(body: string | Buffer, secret: string = SECRET): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

export interface DeliveryOptions {
  readonly event?: string;
  readonly id?: string;
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a signed GitHub delivery with a new id. */
export async function deliver(
  url: string,
  payload: object | string | Buffer,
  options: DeliveryOptions = {},
): Promise<Response> {
  const body =
    typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.from(payload) : JSON.stringify(payload);
  return fetch(`${url}/webhooks/github`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': options.event ?? 'issue_comment',
      'x-github-delivery': options.id ?? randomUUID(),
      'x-hub-signature-256': sign(body, options.secret),
      ...options.headers,
    },
    body,
  });
}

/** The fields of an `issue_comment.created` payload that the program reads: of another comment in each call. */
export function comment(
  body: string | null,
  more: object = {},
  id: number = Math.floor(Math.random() * 1e12),
): object {
  return {
    action: 'created',
    issue: { number: 42, title: 'It is slow', html_url: 'https://github.test/acme/app/issues/42' },
    comment: { id, body, html_url: `https://github.test/acme/app/issues/42#issuecomment-${id}` },
    repository: { full_name: 'acme/app' },
    sender: { login: 'jo', type: 'User' },
    ...more,
  };
}

/** Objects that the bodies of other events have, and that of this one has not. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  issues: ['comment'],
  pull_request: ['comment', 'issue'],
  pull_request_review: ['comment', 'issue'],
  pull_request_review_comment: ['issue', 'review'],
  commit_comment: ['issue'],
};

/** The fields of `comment` as the body of another event has them. */
export function asEvent(event: string, payload: object): object {
  const foreign = FOREIGN[event] ?? [];
  const own = Object.entries(payload).filter(([name]) => !foreign.includes(name));
  const pullRequest = event.startsWith('pull_request_review') && { pull_request: { number: 9 } };
  return { ...pullRequest, ...Object.fromEntries(own) };
}

export interface Example {
  readonly event: string;
  readonly payload: object;
}

/** Every example payload of `@octokit/webhooks-examples`. */
export function octokitExamples(): readonly Example[] {
  const module: unknown = createRequire(import.meta.url)('@octokit/webhooks-examples');
  const list = (Array.isArray(module) ? module : Reflect.get(Object(module), 'default')) as readonly {
    readonly name: string;
    readonly examples: readonly object[];
  }[];
  return list.flatMap(({ name, examples }) => examples.map((payload) => ({ event: name, payload })));
}
