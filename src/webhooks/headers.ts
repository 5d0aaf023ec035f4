import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { firstOfText } from '../model/text.ts';
import { unverifiedText } from '../record/unverified-text.ts';

/** Every value of each header, by its lower-case name. */
export type WebhookHeaders = Readonly<Record<string, readonly string[] | undefined>>;

/** A header's value. Repeated headers are joined: the result fits no signature or id. */
export function readHeader(headers: WebhookHeaders, name: string): string | undefined {
  const values = Object.hasOwn(headers, name) ? headers[name] : undefined;
  const value = values?.join(', ');
  return value === '' ? undefined : value;
}

/** The headers of a request. Frameworks with their own request class may keep only one value of each. */
export function headersOf(req: IncomingMessage): WebhookHeaders {
  const distinct: WebhookHeaders | undefined = req.headersDistinct;
  if (distinct !== undefined) return distinct;
  return Object.fromEntries(
    Object.entries(req.headers).map(([name, value]) => [name, typeof value === 'string' ? [value] : value]),
  );
}

/** Longer than the ids of every known vendor. */
const ID_CHARS_MAX = 128;

/**
 * The id that identifies a repeated delivery. An id that cannot be stored unchanged (too long, control characters) is cut
 * and ends in its hash: two ids must stay different when they are cut.
 */
export function deliveryIdOf(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  const text = unverifiedText(value);
  if (text === value) return value;
  const hash = createHash('sha256').update(value).digest('hex').slice(0, 32);
  return `${firstOfText(text, ID_CHARS_MAX - hash.length - 1)}-${hash}`;
}
