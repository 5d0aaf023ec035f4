import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { unverifiedText } from '../record/unverified-text.ts';

/** Every value of each header, by its name in small letters. */
export type WebhookHeaders = Readonly<Record<string, readonly string[] | undefined>>;

/** A header's value; one that came several times is no value that anybody has sent on purpose. */
export function readHeader(headers: WebhookHeaders, name: string): string | undefined {
  const values = Object.hasOwn(headers, name) ? headers[name] : undefined;
  const value = values?.join(', ');
  return value === '' ? undefined : value;
}

/** The headers of a request; frameworks with requests of their own may know only one of each. */
export function headersOf(req: IncomingMessage): WebhookHeaders {
  const distinct: WebhookHeaders | undefined = req.headersDistinct;
  if (distinct !== undefined) return distinct;
  return Object.fromEntries(
    Object.entries(req.headers).map(([name, value]) => [name, typeof value === 'string' ? [value] : value]),
  );
}

/** Longer than any vendor's own. */
const ID_CHARS_MAX = 128;

/**
 * The id by which a delivery is known again. One that cannot be stored as it is (too long, control characters) ends in its
 * hash: two of them that only look alike when they are cut are two deliveries.
 */
export function deliveryIdOf(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  const text = unverifiedText(value);
  if (text === value) return value;
  const hash = createHash('sha256').update(value).digest('hex').slice(0, 32);
  return `${text.slice(0, ID_CHARS_MAX - hash.length - 1)}-${hash}`;
}
