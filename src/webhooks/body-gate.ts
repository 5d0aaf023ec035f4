import type { IncomingMessage } from 'node:http';
import { TasktrailError } from '../errors.ts';
import { readBody } from '../serve/request-body.ts';
import { RejectedDelivery } from './rejection.ts';

type ParsedRequest = IncomingMessage & { readonly body?: unknown; readonly rawBody?: unknown };

export interface BodyLimits {
  /** Of all bodies together that are being read and verified. */
  readonly bytesAtOnceMax: number;
  /** From the first look at the request to the last byte. */
  readonly timeoutMs: number;
}

/**
 * Reads bodies of requests that nobody has verified: each within a time, all of them within a number of bytes. What one
 * of them takes is given back when `use` is done with it.
 */
export class BodyGate {
  readonly #limits: BodyLimits;
  #bytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Runs `fn` with the bytes as they came. Throws `RejectedDelivery` for what is too large, too slow or cut short. */
  async use<T>(req: ParsedRequest, bytesMax: number, fn: (body: Buffer) => Promise<T>): Promise<T> {
    if (req.readableDidRead) return fn(await parsedBody(req, bytesMax));
    const encoding = (req.headers['content-encoding'] ?? 'identity').toLowerCase();
    if (encoding !== 'identity') {
      const message = 'send the body without Content-Encoding';
      throw new RejectedDelivery('ERR_ENCODING_UNSUPPORTED', { reason: 'encoded_body', message });
    }
    if (Number(req.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
    const held = { bytes: 0 };
    try {
      return await fn(await this.#read(req, bytesMax, held));
    } finally {
      this.#bytes -= held.bytes;
    }
  }

  #read(req: IncomingMessage, bytesMax: number, held: { bytes: number }): Promise<Buffer> {
    const { timeoutMs, bytesAtOnceMax } = this.#limits;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const stop = (): void => {
        clearTimeout(timer);
        req.off('data', onData).off('end', onEnd).off('close', onClose);
      };
      // Left undestroyed: node discards the rest once we have answered, so the client can read why.
      const fail = (error: RejectedDelivery): void => {
        stop();
        reject(error);
      };
      const onData = (chunk: Buffer): void => {
        held.bytes += chunk.length;
        this.#bytes += chunk.length;
        if (held.bytes > bytesMax) fail(tooLarge(bytesMax));
        else if (this.#bytes > bytesAtOnceMax) fail(overloaded());
        else chunks.push(chunk);
      };
      const onEnd = (): void => {
        stop();
        resolve(Buffer.concat(chunks));
      };
      // The client went away in the middle: nothing of ours failed, and nobody reads the answer.
      const onClose = (): void => fail(cutShort());
      const timer = setTimeout(() => fail(tooSlow(timeoutMs)), timeoutMs);
      if (req.destroyed) onClose();
      else req.on('data', onData).on('end', onEnd).on('close', onClose);
    });
  }
}

/** What a body parser of the user's app has left of the bytes: express.raw(), or the usual `verify` hook of the others. */
async function parsedBody(req: ParsedRequest, bytesMax: number): Promise<Buffer> {
  const { rawBody } = req;
  const body = Buffer.isBuffer(rawBody) ? rawBody : await readRaw(req, bytesMax);
  if (body.length > bytesMax) throw tooLarge(bytesMax);
  return body;
}

async function readRaw(req: ParsedRequest, bytesMax: number): Promise<Buffer> {
  try {
    return await readBody(req, bytesMax);
  } catch (error) {
    if (!(error instanceof TasktrailError) || error.code !== 'ERR_NOT_CONFIGURED') throw error;
    throw new RejectedDelivery('ERR_NOT_CONFIGURED', { reason: 'parsed_body', message: error.message });
  }
}

function tooLarge(bytesMax: number): RejectedDelivery {
  const message = `a body is at most ${bytesMax} bytes`;
  return new RejectedDelivery('ERR_TOO_LARGE', { reason: 'too_large', message });
}

function tooSlow(timeoutMs: number): RejectedDelivery {
  const message = `the body was not complete after ${timeoutMs / 1_000} s`;
  return new RejectedDelivery('ERR_INPUT_INVALID', { reason: 'slow_body', message }, { retryable: true });
}

function cutShort(): RejectedDelivery {
  return new RejectedDelivery('ERR_INPUT_INVALID', {
    reason: 'unreadable_body',
    message: 'the body ended early',
  });
}

function overloaded(): RejectedDelivery {
  const message = 'too many large bodies come in at once: send the delivery again later';
  return new RejectedDelivery(
    'ERR_QUEUE_UNAVAILABLE',
    { reason: 'overloaded', message },
    { retryable: true },
  );
}
