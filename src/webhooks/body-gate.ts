import { type ErrorCode, TasktrailError } from '../errors.ts';
import { type ParsedRequest, readBody, TOO_SLOW } from '../serve/request-body.ts';
import { type BodyLimits, BodyRoom, bodyTooLarge } from '../system/http/bounded-body.ts';
import { RejectedDelivery } from './rejection.ts';

/** `rawBody`: where the `verify` hook of a body parser keeps the bytes as a rule. */
type WebhookRequest = ParsedRequest & { readonly rawBody?: unknown };

export interface GateLimits {
  /** Of all bodies together that are being read and verified. */
  readonly bytesAtOnceMax: number;
  /** From the start of the reading to the last byte. */
  readonly timeoutMs: number;
}

/** The words under which deliveries with such a body are recorded. */
const REASONS: Partial<Record<ErrorCode, string>> = {
  ERR_ENCODING_UNSUPPORTED: 'encoded_body',
  ERR_INPUT_INVALID: 'unreadable_body',
  ERR_NOT_CONFIGURED: 'parsed_body',
  ERR_TOO_LARGE: 'too_large',
};

/** Reads the bodies of unverified requests: each within a time, all of them within a number of bytes. */
export class BodyGate {
  readonly #timeoutMs: number;
  readonly #room: BodyRoom;

  constructor({ bytesAtOnceMax, timeoutMs }: GateLimits) {
    this.#timeoutMs = timeoutMs;
    this.#room = new BodyRoom(bytesAtOnceMax, overloaded);
  }

  /** Runs `fn` with the bytes as the sender signed them, and holds room for them until it ends. Throws `RejectedDelivery`. */
  async use<T>(req: WebhookRequest, bytesMax: number, fn: (body: Buffer) => Promise<T>): Promise<T> {
    const lease = this.#room.lease();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(tooSlow(this.#timeoutMs)), this.#timeoutMs);
    try {
      const body = await read(req, { bytesMax, lease, signal: late.signal }).finally(() =>
        clearTimeout(timer),
      );
      return await fn(body);
    } finally {
      lease.release();
    }
  }
}

async function read(req: WebhookRequest, limits: BodyLimits): Promise<Buffer> {
  try {
    const { rawBody } = req;
    if (!req.readableDidRead || !Buffer.isBuffer(rawBody)) return await readBody(req, limits);
    if (rawBody.length > limits.bytesMax) throw bodyTooLarge(limits.bytesMax);
    return rawBody;
  } catch (error) {
    if (!(error instanceof TasktrailError) || error instanceof RejectedDelivery) throw error;
    const reason = REASONS[error.code];
    if (reason === undefined) throw error;
    throw new RejectedDelivery(error.code, { reason, message: error.message }, { cause: error });
  }
}

function tooSlow(timeoutMs: number): RejectedDelivery {
  const message = `the body was not complete after ${timeoutMs / 1_000} s`;
  return new RejectedDelivery('ERR_INPUT_INVALID', { reason: 'slow_body', message }, TOO_SLOW);
}

function overloaded(): RejectedDelivery {
  const message = 'too many large bodies arrive at the same time: send the delivery again later';
  return new RejectedDelivery(
    'ERR_QUEUE_UNAVAILABLE',
    { reason: 'overloaded', message },
    { retryable: true },
  );
}
