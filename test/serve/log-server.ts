import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { HttpHandler } from '../../src/serve/routes.ts';

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-serve-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Listens on a free port of 127.0.0.1 until the test is over. */
export async function listen(app: HttpHandler | Server): Promise<number> {
  const server = typeof app === 'function' ? createServer((req, res) => app(req, res)) : app;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** One request with its path exactly as given: node:http does not normalise it. */
export function ask(port: number, path: string, how: Ask = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = how;
    const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text,
          json: () => JSON.parse(text) as Record<string, unknown>,
        });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** Sends raw bytes that no HTTP client would send; resolves with the whole answer. */
export function askRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (piece: string) => {
      text += piece;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

export interface TaskFixture {
  readonly metadata?: unknown;
  readonly input?: unknown;
  readonly result?: unknown;
  readonly webhookFlow?: string;
  readonly agentOutput?: string;
}

/** Writes a task as it lies on disk, with the file names spelt out: they are the contract. Strings go in as they are. */
export function writeTask(logDir: string, taskId: string, files: TaskFixture = {}): string {
  const dir = join(logDir, taskId);
  mkdirSync(dir, { recursive: true });
  const put = (name: string, value: unknown): void => {
    if (value === undefined) return;
    writeFileSync(join(dir, name), typeof value === 'string' ? value : `${JSON.stringify(value)}\n`);
  };
  put('metadata.json', files.metadata);
  put('01-input.json', files.input);
  put('02-webhook-flow.jsonl', files.webhookFlow);
  put('03-agent-output.jsonl', files.agentOutput);
  put('04-final-result.json', files.result);
  return dir;
}

/** `megabytes` of good lines, about 1 KiB each; returns how many. */
export function writeBigFlow(logDir: string, taskId: string, megabytes: number): number {
  const dir = writeTask(logDir, taskId, { metadata: { task_id: taskId }, agentOutput: '' });
  const line = `${JSON.stringify({ type: 'output', content: 'x'.repeat(990) })}\n`;
  const block = line.repeat(1024);
  const blocks = Math.ceil((megabytes * 1_048_576) / block.length);
  for (let i = 0; i < blocks; i += 1) appendFileSync(join(dir, '03-agent-output.jsonl'), block);
  return blocks * 1024;
}
