import { objectOf, parseObject } from '../model/json.ts';
import { firstOfText } from '../model/text.ts';

export type Signal = 'logs' | 'traces';

/**
 * Outcome of one request. `retry`: send the same request again later, without a limit. `too_large`: send it in
 * halves. `unsupported`: the destination does not accept this signal. `refused`: do not send it again.
 */
export type SendResult =
  | { readonly kind: 'accepted'; readonly rejected: number; readonly reason?: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'unsupported'; readonly status: number }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

/** Sends requests to one destination. Never rejects. */
export interface Transport {
  send(signal: Signal, body: Uint8Array): Promise<SendResult>;
  close(): Promise<void>;
}

/** OTLP/HTTP, "Failures": only these statuses allow the same request to be sent again. */
const RETRYABLE = new Set([429, 502, 503, 504]);

export function resultOfStatus(status: number, detail: string, afterMs?: number): SendResult {
  if (RETRYABLE.has(status)) {
    return { kind: 'retry', reason: `status ${status}`, ...(afterMs !== undefined && { afterMs }) };
  }
  if (status === 413) return { kind: 'too_large' };
  if (status === 404) return { kind: 'unsupported', status };
  const suffix = detail === '' ? '' : `: ${firstOfText(detail, 200)}`;
  return { kind: 'refused', status, reason: `status ${status}${suffix}` };
}

/**
 * Reads `partialSuccess` from the JSON body of a 200. An unreadable body counts as full success, as the protocol
 * requires.
 */
export function resultOfBody(body: string): SendResult {
  const partial = objectOf(parseObject(body)?.partialSuccess);
  const rejected = Number(partial.rejectedLogRecords ?? partial.rejectedSpans ?? 0);
  if (!Number.isSafeInteger(rejected) || rejected <= 0) return { kind: 'accepted', rejected: 0 };
  const { errorMessage: reason } = partial;
  return { kind: 'accepted', rejected, ...(typeof reason === 'string' && { reason }) };
}
