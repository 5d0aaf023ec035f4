import { STATUS_CODES } from 'node:http';
import { type Config, loadConfig } from '../../config/config.ts';
import { messageOf, TasktrailError } from '../../errors.ts';
import { objectOf, parseJson } from '../../model/json.ts';
import { printableValue } from '../../model/printable.ts';
import { checkWebhooks } from '../../service/webhooks/webhook-senders.ts';
import type { SampleRequest } from '../../webhooks/custom/sample-delivery.ts';
import { say } from '../terminal/say.ts';
import { TerminalStream } from '../terminal/terminal-stream.ts';
import { escapeText } from '../terminal/terminal-text.ts';
import { configuredDelivery } from './configured-delivery.ts';

export interface WebhookFlags {
  readonly text?: string;
  readonly url?: string;
  readonly key?: string;
  readonly config?: string;
  readonly dryRun?: boolean;
}

/** Longer than the service takes for a delivery while an earlier process's records are read. */
const TIMEOUT_MS = 15_000;

/** Sends a signed delivery to a running service, and prints both. Returns the exit code: 0 when it was accepted, else 1. */
export async function sendWebhook(
  name: string,
  flags: WebhookFlags,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { text } = flags;
  if (text === undefined || text.trim() === '') {
    throw new TasktrailError('ERR_INPUT_INVALID', "name the text: --text '@agent review'");
  }
  const config = loadConfig({
    flags: settings,
    ...(flags.config !== undefined && { configFile: flags.config }),
  });
  checkWebhooks(config);
  const { path, delivery } = configuredDelivery(config, { name, text, keyFile: flags.key });
  const url = addressOf(config, flags.url, path);
  const output = new TerminalStream(1);
  await output.write(escapeText(requestText(url, delivery.shown)));
  if (flags.dryRun === true) return 0;
  const response = await post(url, delivery.sent);
  const body = await response.text();
  const status = `${response.status} ${STATUS_CODES[response.status] ?? ''}`.trimEnd();
  await output.write(escapeText(`\n${status}\n${body}\n${response.ok ? nextStep(body) : ''}`));
  if (response.ok) return 0;
  say(adviceFor(response.status, path));
  return 1;
}

function nextStep(answer: string): string {
  const ids = objectOf(parseJson(answer)).task_ids;
  const [id] = Array.isArray(ids) ? ids : [];
  return typeof id === 'string' ? `\nnext: tasktrail logs -f ${id}\n` : '';
}

/** The path of the webhook at the address of the service: of the settings, or as given, with or without the path. */
function addressOf(config: Config, url: string | undefined, name: string): string {
  if (url === undefined) {
    if (config.port === 0) {
      throw new TasktrailError(
        'ERR_INPUT_INVALID',
        'PORT is 0, a free port: name the address of the service with --url',
      );
    }
    const host = ['0.0.0.0', '::'].includes(config.host) ? '127.0.0.1' : config.host;
    return `http://${host.includes(':') ? `[${host}]` : host}:${config.port}/webhooks/${name}`;
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new TasktrailError(
      'ERR_INPUT_INVALID',
      `--url: use http://<host>:<port> (it is ${JSON.stringify(printableValue(url))})`,
    );
  }
  const base = url.replace(/\/+$/, '');
  return parsed.pathname.replace(/\/+$/, '') === '' ? `${base}/webhooks/${name}` : base;
}

async function post(url: string, { headers, body, query }: SampleRequest): Promise<Response> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await fetch(url + query, { method: 'POST', headers, body, redirect: 'manual', signal });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new TasktrailError(
      'ERR_NOT_FOUND',
      `no service answers at ${new URL(url).origin} (${messageOf(cause)}): run "tasktrail start" in another terminal, or name its address with --url`,
      { cause: error },
    );
  }
}

function requestText(url: string, { headers, body, query }: SampleRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`POST ${url}${query}`, ...lines, '', body].join('\n')}\n`;
}

function adviceFor(status: number, name: string): string {
  switch (status) {
    case 401:
      return 'the service has another secret or another clock: start it again in this directory, or use its settings here';
    case 404:
      return `the service does not know /webhooks/${name}: start it again, so that it reads the configuration`;
    case 503:
      return 'the service cannot take it now; its answer says why';
    default:
      return 'the service refused it; its answer says why';
  }
}
