import type { BatchEntry } from '../journal/segment-reader.ts';
import { objectOf, parseObject } from '../model/json.ts';
import { firstOfText } from '../model/text.ts';

export type Signal = 'logs' | 'traces';

/** Entries of one signal in journal order. */
export interface RequestPart {
  readonly signal: Signal;
  readonly entries: readonly BatchEntry[];
}

/**
 * Outcome of one request. `retry`: send the same request again later, without a limit. `too_large`: send it in
 * halves. `unsupported`: the destination does not accept this signal. `refused`: do not send it again. `asksForToken`: a
 * holder of tasktrail would take it, or more of it, with the token of its log directory.
 */
export type SendResult =
  | {
      readonly kind: 'accepted';
      readonly rejected: number;
      readonly reason?: string;
      readonly asksForToken?: true;
    }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'unsupported'; readonly status: number; readonly reason?: string }
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly reason: string;
      readonly asksForToken?: true;
    };

/** Sends requests in OTLP/JSON to one destination, in the encoding that it takes. Never rejects. */
export interface Transport {
  /** Takes records of both signals without a request. Undefined where they have to be sent. Never rejects. */
  take?(entries: readonly BatchEntry[]): Promise<SendResult> | undefined;
  send(signal: Signal, body: Uint8Array): Promise<SendResult>;
  /** Sends a valid request without records, to find out whether the destination takes the signal at all. */
  probe?(signal: Signal): Promise<SendResult>;
  close(): Promise<void>;
}

/** OTLP/HTTP, "Failures": only these statuses allow the same request to be sent again. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Statuses about the path, the method and the encoding, which the next request of this signal has as well. */
const UNSUPPORTED: ReadonlySet<number> = new Set([404, 405, 415, 501]);

/** OTLP/HTTP: the request is malformed. */
export const MALFORMED = 400;

export function resultOfStatus(status: number, detail: string, afterMs?: number): SendResult {
  if (RETRYABLE.has(status)) {
    return { kind: 'retry', reason: `status ${status}`, ...(afterMs !== undefined && { afterMs }) };
  }
  if (status === 413) return { kind: 'too_large' };
  if (UNSUPPORTED.has(status)) return { kind: 'unsupported', status };
  const suffix = detail === '' ? '' : `: ${firstOfText(detail.trim(), 200)}`;
  return { kind: 'refused', status, reason: `status ${status}${suffix}` };
}

/**
 * Reads `partialSuccess` from the JSON body of a 200. An unreadable body counts as full success, as the protocol
 * requires.
 */
export function resultOfBody(body: string): SendResult {
  const partial = objectOf(parseObject(body)?.partialSuccess);
  return acceptedOf(partial.rejectedLogRecords ?? partial.rejectedSpans, partial.errorMessage);
}

/** `rejected` and `reason` as the partial success has them; anything but a positive whole number counts as 0. */
export function acceptedOf(rejected: unknown, reason: unknown): SendResult {
  const count = Number(rejected ?? 0);
  if (!Number.isSafeInteger(count) || count <= 0) return { kind: 'accepted', rejected: 0 };
  return {
    kind: 'accepted',
    rejected: count,
    ...(typeof reason === 'string' && reason !== '' && { reason }),
  };
}
