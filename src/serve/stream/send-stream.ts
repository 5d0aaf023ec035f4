import type { ServerResponse } from 'node:http';
import type { EventStream, StreamEvent } from '../../model/event-stream.ts';
import { ANSWER_HEADERS } from '../problem.ts';

/** Proxies close a silent connection after 30 to 60 s. */
const HEARTBEAT_MS = 15_000;

/** Time after which a browser connects again. */
const RETRY_MS = 2_000;

/** A reader that takes nothing for this long is closed. It goes on where it was when it comes again. */
const STALL_MS = 60_000;

/** Bytes of one write: what waits for a slow reader is one of these and what the socket holds. */
const WRITE_BYTES = 65_536;

export interface SendOptions {
  /** Ends the stream. */
  readonly signal: AbortSignal;
  readonly heartbeatMs?: number | undefined;
  readonly stallMs?: number | undefined;
}

/**
 * Answers with server-sent events (WHATWG HTML, 9.2) as fast as the client reads them; 204, which ends the client's attempts,
 * when nothing will come. Returns when the stream is over or the client has gone. The caller closes the stream.
 */
export async function sendStream(
  res: ServerResponse,
  stream: EventStream,
  { signal, heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS }: SendOptions,
): Promise<void> {
  if (!(await stream.start())) {
    res.writeHead(204, ANSWER_HEADERS).end();
    return;
  }
  res.writeHead(200, {
    ...ANSWER_HEADERS,
    'Content-Type': 'text/event-stream; charset=utf-8',
    // For nginx, which would hold back what is not much.
    'X-Accel-Buffering': 'no',
  });
  if (res.req.method === 'HEAD') {
    res.end();
    return;
  }
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  res.once('close', onClose);
  if (res.destroyed) gone.abort();
  const ended = AbortSignal.any([signal, gone.signal]);
  res.socket?.setNoDelay(true);
  res.write(`retry: ${RETRY_MS}\n\n`);
  let isWriting = false;
  // Neither between the pieces of an event nor behind what waits: a reader that does not read would gather heartbeats.
  const heartbeat = setInterval(() => {
    if (!isWriting && !res.writableNeedDrain) res.write(':\n\n');
  }, heartbeatMs).unref();
  try {
    for (;;) {
      const events = await stream.next(ended);
      if (events === undefined || ended.aborted) break;
      isWriting = true;
      if (!(await writeAll(res, framesOf(events), { ended, stallMs }))) break;
      isWriting = false;
    }
  } finally {
    clearInterval(heartbeat);
    res.off('close', onClose);
    if (res.writableNeedDrain) res.destroy();
    else res.end();
  }
}

/** False when the client has gone or takes nothing. */
async function writeAll(
  res: ServerResponse,
  frames: Buffer,
  { ended, stallMs }: { readonly ended: AbortSignal; readonly stallMs: number },
): Promise<boolean> {
  for (let at = 0; at < frames.length; at += WRITE_BYTES) {
    if (ended.aborted) return false;
    if (!res.write(frames.subarray(at, at + WRITE_BYTES)) && !(await drained(res, ended, stallMs)))
      return false;
  }
  return true;
}

function drained(res: ServerResponse, ended: AbortSignal, stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (isDrained: boolean) => (): void => {
      clearTimeout(timer);
      res.off('drain', onDrain);
      ended.removeEventListener('abort', onEnd);
      resolve(isDrained);
    };
    const onDrain = done(true);
    const onEnd = done(false);
    const timer = setTimeout(onEnd, stallMs).unref();
    res.on('drain', onDrain);
    ended.addEventListener('abort', onEnd);
    if (ended.aborted) onEnd();
  });
}

/** Readers at the same place get the same list of events, and share its bytes. */
const FRAMES = new WeakMap<readonly StreamEvent[], Buffer>();

function framesOf(events: readonly StreamEvent[]): Buffer {
  const known = FRAMES.get(events);
  if (known !== undefined) return known;
  const frames = Buffer.from(events.map(frameOf).join(''));
  FRAMES.set(events, frames);
  return frames;
}

function frameOf({ event, data, id }: StreamEvent): string {
  const name = id === undefined ? '' : `id: ${id}\n`;
  // Between the tokens of a file of another program there may be CR, which would end the line.
  return `${name}event: ${event}\ndata: ${data.replaceAll('\r', ' ')}\n\n`;
}
