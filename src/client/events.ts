import type { StreamOptions } from './operation.ts';
import { ApiProblem, unreadable } from './problem.ts';
import { type Call, type Send, signalOf } from './send.ts';
import { type ServerEvent, SseParser } from './sse.ts';

/** An event of a stream. `id` names the place behind it; undefined: the one before stays. */
export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
  readonly id: string | undefined;
}

/** The server sends something each 15 s. After this time without anything the connection is given up. */
const SILENCE_MS = 45_000;

/** Between two attempts, until the server says another time. Doubled up to the most after each one without an event. */
const RETRY_MS = 2_000;
const RETRY_MS_MAX = 30_000;

/** Statuses of a server, or of a proxy before it, that will work again. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * The events of a stream. A connection that breaks is made again and goes on behind the last event, as long as the first one
 * has worked. It ends when the server says that nothing more will come. Throws `ApiProblem` for an answer that is an error, and
 * the reason of the signal after an abort.
 */
export async function* eventsOf(
  send: Send,
  call: Call & { readonly options?: StreamOptions | undefined },
  ending: AbortSignal | undefined,
): AsyncGenerator<StreamEvent> {
  const signal = signalOf(ending, call.options?.signal);
  const state = { id: call.options?.lastEventId, retryMs: RETRY_MS, failures: 0, isOpened: false, signal };
  for (;;) {
    let waitMs = state.retryMs;
    try {
      const isOver = yield* connection(send, call, state);
      if (isOver) return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!state.isOpened || !isPassing(error)) throw error;
      if (error instanceof ApiProblem && error.retryAfterMs !== undefined) waitMs = error.retryAfterMs;
    }
    signal?.throwIfAborted();
    await pause(Math.min(RETRY_MS_MAX, waitMs * 2 ** Math.min(10, state.failures)), signal);
    state.failures += 1;
  }
}

interface Following {
  readonly signal: AbortSignal | null;
  id: string | undefined;
  retryMs: number;
  /** Connections since the last event. */
  failures: number;
  isOpened: boolean;
}

/** The events of one connection. Returns true when there will be no more. */
async function* connection(send: Send, call: Call, state: Following): AsyncGenerator<StreamEvent, boolean> {
  const stop = new AbortController();
  const { options = {}, query } = call;
  const response = await send({
    ...call,
    // The header names the newest place; a query that is left says where the stream began.
    query: state.id === undefined ? query : { ...query, after: undefined },
    options: {
      ...options,
      signal: signalOf(options.signal, stop.signal) ?? undefined,
      headers: {
        Accept: 'text/event-stream',
        ...options.headers,
        ...(state.id !== undefined && { 'Last-Event-ID': state.id }),
      },
    },
  });
  if (response.status === 204 || response.body === null) return true;
  state.isOpened = true;
  const reader = response.body.getReader();
  const [parser, decoder] = [new SseParser(), new TextDecoder()];
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, () =>
        stop.abort(new TypeError('the stream is silent')),
      );
      if (done) return false;
      const { events, retryMs } = parser.take(decoder.decode(value, { stream: true }));
      state.retryMs = retryMs ?? state.retryMs;
      for (const event of events) {
        // Those that came with it before an abort, too.
        state.signal?.throwIfAborted();
        const parsed = parsedEvent(event);
        state.failures = 0;
        state.id = event.id ?? state.id;
        yield parsed;
      }
    }
  } finally {
    // Also when the reader of the events leaves.
    stop.abort();
    await reader.cancel().catch(() => {});
  }
}

async function readWithin<Chunk>(reader: { read(): Promise<Chunk> }, onSilence: () => void): Promise<Chunk> {
  const timer = setTimeout(onSilence, SILENCE_MS);
  try {
    return await reader.read();
  } finally {
    clearTimeout(timer);
  }
}

function parsedEvent({ event, data, id }: ServerEvent): StreamEvent {
  try {
    return { event, data: JSON.parse(data), id };
  } catch {
    // A SyntaxError: what sends this is no tasktrail.
    throw unreadable(200, `the data of the event ${event} is not JSON`);
  }
}

/** What is no answer is a failure of the network. */
function isPassing(error: unknown): boolean {
  return error instanceof ApiProblem ? PASSING.has(error.status) : true;
}

function pause(ms: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
