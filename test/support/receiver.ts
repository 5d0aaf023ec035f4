import { readdir, readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/config.ts';
import { startTasktrail, type Trail } from '../../src/trail/trail.ts';
import type { GateLimits } from '../../src/webhooks/body-gate.ts';
import type { ReceiveWebhooksOptions, WebhookTask } from '../../src/webhooks/receive-webhooks.ts';
import { receiveWebhooks } from '../../src/webhooks/receive-webhooks.ts';
import { SECRET } from './deliveries.ts';

export interface Listening {
  readonly url: string;
  readonly server: Server;
  close(): Promise<void>;
}

export async function listen(handler: RequestListener): Promise<Listening> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Opens a trail over `logDir` on a free port, independent of the environment of the test process. */
export async function openTrail(logDir: string, env: Readonly<Record<string, string>> = {}): Promise<Trail> {
  const config = loadConfig({
    env: { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0', PORT: '0', ...env },
    cwd: logDir,
  });
  return startTasktrail({ config, log: () => {} });
}

export interface Receiver {
  readonly url: string;
  readonly tasks: WebhookTask[];
  close(): Promise<void>;
}

/** Receives webhooks below `/webhooks` and collects their tasks without running them. */
export async function openReceiver(
  options: Partial<ReceiveWebhooksOptions> = {},
  limits: Partial<GateLimits> = {},
): Promise<Receiver> {
  const tasks: WebhookTask[] = [];
  const handler = receiveWebhooks(
    {
      github: { secret: SECRET },
      onTask: async (task) => {
        await task.enqueue({ queue: 'agent', system: 'in_process' }, async () => tasks.push(task));
      },
      ...options,
    },
    { limits },
  );
  const { url, close } = await listen((req, res) => {
    Object.assign(req, { originalUrl: req.url });
    req.url = (req.url ?? '').replace('/webhooks', '');
    handler(req, res);
  });
  return {
    url,
    tasks,
    close: async () => {
      handler.close();
      await close();
    },
  };
}

/** The complete lines of a file. The last line may be partial while a process appends to it. */
export async function readLines(path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export async function readDeliveries(logDir: string): Promise<Record<string, unknown>[]> {
  const names = await readdir(join(logDir, '_webhooks')).catch(() => []);
  const lines = await Promise.all(names.sort().map((name) => readLines(join(logDir, '_webhooks', name))));
  return lines.flat();
}

export interface StoredSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly events?: readonly { readonly name: string }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

export async function readSpans(logDir: string, taskId: string): Promise<StoredSpan[]> {
  const lines = await readLines(join(logDir, taskId, 'trace.jsonl'));
  return lines.flatMap((line) =>
    (line.resourceSpans as { scopeSpans: { spans: StoredSpan[] }[] }[]).flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans),
    ),
  );
}

export function attribute(span: StoredSpan, key: string): unknown {
  const value = span.attributes.find((entry) => entry.key === key)?.value;
  return value === undefined ? undefined : Object.values(value)[0];
}
