import { type IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Contract, SeenAnswer } from './contract.ts';

/** A setup file: every answer of the REST API that a test gets is compared with the definitions of the endpoints. */

/** Of longer bodies only status and headers are compared. */
const BODY_BYTES_MAX = 2_097_152;

/** Of all answers that are open: tests measure the memory of the server in this process. */
const HELD_BYTES_MAX = 4_194_304;

/** Answers of one test; loads of requests are alike. */
const ANSWERS_MAX = 2_000;

interface Watched {
  answer?: Omit<SeenAnswer, 'body'>;
  pieces: Buffer[];
  bytes: number;
}

interface Patched {
  isWatched?: boolean;
}

const HTTP = ServerResponse.prototype as unknown as Patched;
const OPEN = new WeakMap<ServerResponse, Watched>();
/** Shared by the files of one process. */
const STATE = globalThis as unknown as {
  seenAnswers?: SeenAnswer[];
  ownPorts?: Set<number>;
  mayDiffer?: boolean;
  file?: string;
  heldBytes?: number;
};
STATE.seenAnswers ??= [];
STATE.ownPorts ??= new Set();

if (HTTP.isWatched !== true) {
  HTTP.isWatched = true;
  watchServers();
  watchFetch();
}

beforeEach(({ task }) => {
  // What came after the last test of another file.
  if (STATE.file !== task.file.filepath) STATE.seenAnswers?.splice(0);
  STATE.file = task.file.filepath;
});

afterEach(async ({ task }) => {
  const answers = STATE.seenAnswers?.splice(0) ?? [];
  const mayDiffer = STATE.mayDiffer === true;
  STATE.mayDiffer = false;
  if (answers.length === 0 || mayDiffer) return;
  const contract = await contractFor(task.file.filepath);
  const differences = new Set(answers.flatMap((answer) => contract.differences(answer)));
  expect([...differences], 'answers that are not as the OpenAPI document says').toEqual([]);
});

/** For a test whose files or handlers are no API on purpose. Call it before the test ends. */
export function allowOtherAnswers(): void {
  STATE.mayDiffer = true;
}

const contracts = new Map<boolean, Contract>();

/** Loaded late: most test files ask no server. */
async function contractFor(file: string): Promise<Contract> {
  const hasPartialFiles = /\/test\/(?:serve|page)\/[^/]*$/.test(file) || file.includes('/test/serve/');
  const known = contracts.get(hasPartialFiles);
  if (known !== undefined) return known;
  const { Contract: Made } = await import('./contract.ts');
  const contract = new Made({ hasPartialFiles });
  contracts.set(hasPartialFiles, contract);
  return contract;
}

function note(answer: SeenAnswer): void {
  if (STATE.seenAnswers !== undefined && STATE.seenAnswers.length < ANSWERS_MAX)
    STATE.seenAnswers.push(answer);
}

function watchServers(): void {
  const prototype = ServerResponse.prototype;
  const { writeHead, write, end } = prototype;
  prototype.writeHead = function watchedHead(this: ServerResponse, ...args: unknown[]) {
    begin(this, args);
    return Reflect.apply(writeHead, this, args) as ServerResponse;
  } as typeof writeHead;
  prototype.write = function watchedWrite(this: ServerResponse, ...args: unknown[]) {
    collect(this, args[0]);
    return Reflect.apply(write, this, args) as boolean;
  } as typeof write;
  prototype.end = function watchedEnd(this: ServerResponse, ...args: unknown[]) {
    collect(this, args[0]);
    return Reflect.apply(end, this, args) as ServerResponse;
  } as typeof end;
}

function begin(res: ServerResponse, args: readonly unknown[]): void {
  const [status] = args;
  const headers = headersOf({ ...res.getHeaders(), ...Object(args.at(-1)) });
  STATE.ownPorts?.add(res.req.socket.localPort ?? 0);
  if (!isOurs(headers) || OPEN.has(res)) return;
  const watched: Watched = {
    answer: { method: res.req.method ?? '', paths: pathsOf(res.req), status: Number(status), headers },
    pieces: [],
    bytes: 0,
  };
  OPEN.set(res, watched);
  const { file } = STATE;
  res.once('close', () => {
    STATE.heldBytes = (STATE.heldBytes ?? 0) - sizeOf(watched);
    // A stream may be closed when the tests of another file run.
    if (watched.answer === undefined || STATE.file !== file) return;
    // A stream may be cut anywhere: its events that are complete are compared.
    const isWhole = res.writableFinished || headers['content-type']?.startsWith('text/event-stream');
    const body =
      isWhole && watched.bytes <= BODY_BYTES_MAX ? Buffer.concat(watched.pieces).toString() : undefined;
    note({ ...watched.answer, body });
  });
}

function collect(res: ServerResponse, piece: unknown): void {
  const watched = OPEN.get(res);
  if (watched === undefined || (typeof piece !== 'string' && !(piece instanceof Uint8Array))) return;
  watched.bytes += piece.length;
  // A copy: the sender may use the bytes again.
  const held = STATE.heldBytes ?? 0;
  if (watched.bytes <= BODY_BYTES_MAX && held + piece.length <= HELD_BYTES_MAX) {
    const copy = Buffer.from(piece);
    watched.pieces.push(copy);
    STATE.heldBytes = held + copy.length;
  } else {
    STATE.heldBytes = held - sizeOf(watched);
    watched.pieces = [];
    watched.bytes = Number.POSITIVE_INFINITY;
  }
}

function sizeOf({ pieces }: Watched): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function pathsOf(req: IncomingMessage): readonly string[] {
  const { originalUrl, url, baseUrl } = req as IncomingMessage & { originalUrl?: string; baseUrl?: string };
  const whole = (originalUrl ?? url ?? '').split('?', 1)[0] ?? '';
  const own = baseUrl && whole.startsWith(baseUrl) ? whole.slice(baseUrl.length) : whole;
  const isReceiver = req.method === 'POST' && /^\/(?!tasks$|login$|logout$)[^/]+$/.test(own);
  return [whole, `/api${own}`, ...(isReceiver ? [`/webhooks${own}`] : [])];
}

/** All answers of `serve` have these two. */
function isOurs(headers: Readonly<Record<string, string>>): boolean {
  return headers['cache-control'] === 'no-store' && headers['x-content-type-options'] === 'nosniff';
}

function headersOf(headers: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}

/** For services in processes of their own. */
function watchFetch(): void {
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init);
    const url = new URL(response.url || String(input));
    const headers = Object.fromEntries(response.headers);
    if (!isOurs(headers) || STATE.ownPorts?.has(Number(url.port)) === true) return response;
    const method = init?.method ?? 'GET';
    const answer = { method, paths: [url.pathname], status: response.status, headers };
    const isStream = headers['content-type']?.startsWith('text/event-stream') === true;
    const isLong = Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) > BODY_BYTES_MAX;
    const body =
      isStream || isLong
        ? undefined
        : await response
            .clone()
            .text()
            .catch(() => undefined);
    note({ ...answer, body });
    return response;
  };
}
