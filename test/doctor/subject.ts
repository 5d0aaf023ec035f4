import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import type { Finding, Subject } from '../../src/doctor/finding.ts';

/** The input of the checks with these settings, without the environment of this machine. */
export function subjectOf(settings: Readonly<Record<string, string>> = {}): Subject {
  const cwd = tempDir();
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) vi.stubEnv(name, undefined);
  // The exporters' own package reads them from the process.
  for (const [name, value] of Object.entries(settings)) if (name.startsWith('OTEL_')) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const env = { TASK_LOGS_DIR: join(cwd, 'logs'), PATH: process.env.PATH, ...settings };
  return { config: loadConfig({ env, cwd }), env, cwd, version: '1.2.3', clocks: new Map() };
}

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tasktrail-doctor-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A real HTTP server on loopback; gives its address. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const port = await listenUntilEnd(server);
  onTestFinished(() => server.closeAllConnections());
  return `http://127.0.0.1:${port}`;
}

/** A TCP server; the listener implements the protocol. Resolves with the port. */
export async function serveTcp(listener: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    listener(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listenUntilEnd(server);
}

export async function listenUntilEnd(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new TypeError('no port');
  return address.port;
}

/** Answers as the collector's receiver does: POST at the paths of these signals, 405 for other methods, else 404. */
export function otlpListener(signals: readonly string[], more: RequestListener = notFound): RequestListener {
  return (req, res) => {
    const path = req.url ?? '';
    if (!signals.some((signal) => path === `/v1/${signal}`)) return more(req, res);
    if (req.method !== 'POST') return res.writeHead(405).end('405 method not allowed, supported: [POST]');
    return res.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
  };
}

export const notFound: RequestListener = (_req, res) => void res.writeHead(404).end('404 page not found');

export function statusOf(code: number, headers: Record<string, string> = {}, text = ''): RequestListener {
  return (_req, res) => void res.writeHead(code, headers).end(text);
}

/** `level where: what -> advice`, a line each. */
export function linesOf(findings: readonly Finding[]): string {
  return findings
    .map(
      ({ level, where, what, advice }) =>
        `${level} ${where}: ${what}${advice === null ? '' : ` -> ${advice}`}`,
    )
    .join('\n');
}
