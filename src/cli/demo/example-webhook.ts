import { createHmac, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { TasktrailError } from '../../errors.ts';
import { type JsonObject, objectOf } from '../../model/json.ts';

/** What the commenter asks for; `review` is one of the default commands. */
export const EXAMPLE_COMMENT = '@agent review this change, please';

/** A request as GitHub sends it. */
export interface ExampleWebhook {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** GitHub's own example of `issue_comment.created` with a command as its comment, signed as GitHub signs. */
export function exampleWebhook(secret: string): ExampleWebhook {
  const body = JSON.stringify(examplePayload());
  return {
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issue_comment',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
    body,
  };
}

function examplePayload(): JsonObject {
  const examples = loadExamples()
    .filter(({ name }) => name === 'issue_comment')
    .flatMap(({ examples }) => (Array.isArray(examples) ? examples.map(objectOf) : []));
  const example = examples.find(({ action }) => action === 'created');
  if (example === undefined)
    throw new TasktrailError(
      'ERR_UNEXPECTED',
      '@octokit/webhooks-examples has no issue_comment.created: run npm ci in the checkout, which installs a version that has',
    );
  return {
    ...example,
    comment: { ...objectOf(example.comment), body: EXAMPLE_COMMENT },
    // The example's sender may be a bot, which the service ignores.
    sender: { ...objectOf(example.sender), type: 'User' },
  };
}

function loadExamples(): readonly JsonObject[] {
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)('@octokit/webhooks-examples');
  } catch (error) {
    throw new TasktrailError(
      'ERR_NOT_CONFIGURED',
      'the demo needs the package @octokit/webhooks-examples: run it in a checkout, after npm ci',
      { cause: error },
    );
  }
  const list = Array.isArray(loaded) ? loaded : objectOf(loaded).default;
  return Array.isArray(list) ? list.map(objectOf) : [];
}
