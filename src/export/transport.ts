import { objectOf, parseObject } from '../model/json.ts';

export type Signal = 'logs' | 'traces';

/**
 * What came of one request. `retry`: the same again later, for ever. `too_large`: again in halves. `unsupported`: this
 * destination does not take the signal at all. `refused`: never again, whatever the reason.
 */
export type SendResult =
  | { readonly kind: 'taken'; readonly rejected: number; readonly reason?: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'unsupported'; readonly status: number }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

/** One destination's wire. Never rejects. */
export interface Transport {
  send(signal: Signal, body: Uint8Array): Promise<SendResult>;
  close(): Promise<void>;
}

/** OTLP/HTTP, "Failures": these are the only statuses after which the same request may be sent again. */
const RETRYABLE = new Set([429, 502, 503, 504]);

export function resultOfStatus(status: number, detail: string, afterMs?: number): SendResult {
  if (RETRYABLE.has(status)) {
    return { kind: 'retry', reason: `status ${status}`, ...(afterMs !== undefined && { afterMs }) };
  }
  if (status === 413) return { kind: 'too_large' };
  if (status === 404) return { kind: 'unsupported', status };
  const said = detail === '' ? '' : `: ${detail.slice(0, 200)}`;
  return { kind: 'refused', status, reason: `status ${status}${said}` };
}

/** Reads `partialSuccess` of a 200's JSON body; anything unreadable counts as full success, as the protocol says. */
export function resultOfBody(body: string): SendResult {
  const partial = objectOf(parseObject(body)?.partialSuccess);
  const rejected = Number(partial.rejectedLogRecords ?? partial.rejectedSpans ?? 0);
  if (!Number.isSafeInteger(rejected) || rejected <= 0) return { kind: 'taken', rejected: 0 };
  const { errorMessage: reason } = partial;
  return { kind: 'taken', rejected, ...(typeof reason === 'string' && { reason }) };
}
