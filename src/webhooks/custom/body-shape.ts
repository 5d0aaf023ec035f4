import { isForm, isJsonLike, parseForm } from '../form.ts';
import { readHeader } from '../headers.ts';
import { parsePayload } from '../payload.ts';
import type { WebhookRequestBody } from '../provider.ts';

/** A form as an object of texts, anything else as JSON: an object, with `isList` also a list. Throws `RejectedDelivery`. */
export function parseBody(
  { headers, body }: Pick<WebhookRequestBody, 'headers' | 'body'>,
  { isList }: { readonly isList: boolean },
): unknown {
  // Some senders label their JSON as a form. The label is not signed, and decides nothing about JSON.
  if (isForm(readHeader(headers, 'content-type')) && !isJsonLike(body)) return fieldsOf(parseForm(body));
  return parsePayload(body, { allowsList: isList });
}

/** The values of a repeated field are joined, as those of a header: the result fits no signature or token. */
function fieldsOf(form: URLSearchParams): Readonly<Record<string, string>> {
  const fields = new Map<string, string[]>();
  for (const [name, value] of form) {
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.join(', ')]));
}
