import type { IncomingMessage } from 'node:http';

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
