import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { onTestFinished } from 'vitest';
import { until } from './until.ts';

/** An event as a client gets it. */
export interface Sent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** A client of server-sent events on 127.0.0.1. */
export class SseClient {
  readonly sent: Sent[] = [];
  readonly comments: string[] = [];
  status = 0;
  headers: IncomingHttpHeaders = {};
  /** All bytes so far. */
  text = '';
  isEnded = false;
  readonly request: ClientRequest;
  #response: IncomingMessage | undefined;
  #rest = '';

  private constructor(port: number, path: string, headers: Readonly<Record<string, string>>) {
    this.request = request({ host: '127.0.0.1', port, path, headers, agent: false });
    this.request.on('response', (res) => {
      this.#response = res;
      this.status = res.statusCode ?? 0;
      this.headers = res.headers;
      res.setEncoding('utf8');
      res.on('data', (piece: string) => this.#take(piece));
      res.on('close', () => {
        this.isEnded = true;
      });
      res.on('error', () => {});
    });
    this.request.on('error', () => {
      this.isEnded = true;
    });
    this.request.end();
  }

  /** Resolves with the headers of the answer. */
  static async open(
    port: number,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<SseClient> {
    const client = new SseClient(port, path, headers);
    onTestFinished(() => client.close());
    await until(() => client.status > 0 || client.isEnded, `an answer of ${path}`);
    return client;
  }

  get lastId(): string {
    return this.sent.findLast(({ id }) => id !== undefined)?.id ?? '';
  }

  /** The data of the events of a name. */
  of(event: string): Record<string, unknown>[] {
    return this.sent
      .filter((one) => one.event === event)
      .map(({ data }) => JSON.parse(data) as Record<string, unknown>);
  }

  get names(): string[] {
    return this.sent.map(({ event }) => event);
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  close(): void {
    this.request.destroy();
  }

  #take(piece: string): void {
    this.text += piece;
    const frames = (this.#rest + piece).split('\n\n');
    this.#rest = frames.pop() ?? '';
    for (const frame of frames) {
      const fields = new Map<string, string>();
      for (const line of frame.split('\n')) {
        const colon = line.indexOf(':');
        if (colon === 0) this.comments.push(line);
        else fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''));
      }
      const data = fields.get('data');
      if (data !== undefined)
        this.sent.push({ event: fields.get('event') ?? 'message', data, id: fields.get('id') });
    }
  }
}
