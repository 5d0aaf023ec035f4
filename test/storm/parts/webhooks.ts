import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ports, WEBHOOK_SECRET, type World } from '../world.ts';
import { Client, post } from './client.ts';

const RETRY_MS = 300;

/** Over VictoriaLogs both services take what is sent. */
function doorsOf({ ports, victoria }: World): readonly Ports[] {
  return victoria !== undefined && Math.random() < 0.5 ? [ports[1], ports[0]] : ports;
}

/** GitHub, which sends a delivery again until it is answered 2xx. */
export class WebhookSender extends Client {
  protected async once(): Promise<void> {
    const token = this.token();
    let cutTries = 0;
    // While the round lasts, and for a while after it: everything is well again then.
    for (let tries = 0; tries < 400; tries += 1) {
      const answer = await this.#send(token);
      if (answer === 'cut') cutTries += 1;
      if (typeof answer === 'object' && answer.status < 300) {
        this.acknowledge({ kind: 'delivery', delivery: token, token, cutTries });
        break;
      }
      await delay(RETRY_MS);
      if (this.isOver()) break;
    }
    if (!this.isEnding) await delay(150);
  }

  async #send(token: string): ReturnType<typeof post> {
    // Two senders never comment under one id: the second would be a duplicate of the first.
    const [sender = '', number = ''] = token.match(/\d+/g) ?? [];
    const id = Number(sender) * 1_000_000 + Number(number);
    const url = 'https://github.test/acme/app/issues/42';
    const body = JSON.stringify({
      action: 'created',
      issue: { number: 42, title: 'It is slow', html_url: url },
      comment: { id, body: `@agent review ${token}`, html_url: `${url}#issuecomment-${id}` },
      repository: { full_name: 'acme/app' },
      sender: { login: 'jo', type: 'User' },
    });
    const signature = createHmac('sha256', WEBHOOK_SECRET).update(body).digest('hex');
    const headers = {
      'content-type': 'application/json',
      'x-github-event': 'issue_comment',
      'x-github-delivery': token,
      'x-hub-signature-256': `sha256=${signature}`,
    };
    for (const { web } of doorsOf(this.world)) {
      const answer = await post(`http://127.0.0.1:${web}/webhooks/github`, body, headers);
      if (answer !== 'refused') return answer;
    }
    return 'refused';
  }
}

/** `POST /api/tasks`. Without an answer the task is given up: a second one would be another task. */
export class TaskSubmitter extends Client {
  protected async once(): Promise<void> {
    const token = this.token();
    const body = JSON.stringify({ message: token, command: 'review' });
    for (const { web } of doorsOf(this.world)) {
      const answer = await post(`http://127.0.0.1:${web}/api/tasks`, body, {
        'content-type': 'application/json',
      });
      if (answer === 'refused') continue;
      if (typeof answer === 'object' && answer.status === 202) {
        const { task_ids: ids } = JSON.parse(answer.text) as { readonly task_ids: readonly string[] };
        this.acknowledge({ kind: 'queued', task: ids[0] ?? '', token });
      }
      break;
    }
    await delay(800);
  }
}
