import { unverifiedText } from '../record/unverified-text.ts';
import { utf8TextOf } from './payload.ts';
import { malformed } from './rejection.ts';

/** A form of a vendor has a few dozen. Millions of empty ones fit into a body. */
const FORM_FIELDS_MAX = 1_000;

const AMPERSAND = 0x26;

/** A form's fields. Throws `RejectedDelivery` when it is not UTF-8, or has more fields than any vendor sends. */
export function parseForm(body: Buffer): URLSearchParams {
  const text = utf8TextOf(body);
  if (text === undefined) throw malformed('malformed_form', 'the body is not a form in UTF-8');
  let fields = 1;
  for (let at = body.indexOf(AMPERSAND); at >= 0; at = body.indexOf(AMPERSAND, at + 1)) {
    fields += 1;
    if (fields > FORM_FIELDS_MAX) {
      throw malformed('malformed_form', `the form has more than ${FORM_FIELDS_MAX} fields`);
    }
  }
  return new URLSearchParams(text);
}

/**
 * A form whose fields are there once. Throws `RejectedDelivery` for a repeated one: which of two values counts would be a
 * matter of the reader.
 */
export function parseFormOnce(body: Buffer): URLSearchParams {
  const form = parseForm(body);
  const names = new Set<string>();
  for (const name of form.keys()) {
    if (names.has(name)) {
      throw malformed(
        'malformed_form',
        `the form has the field ${JSON.stringify(unverifiedText(name))} twice`,
      );
    }
    names.add(name);
  }
  return form;
}

/** Whether a body is labelled as a form. The label is not signed: see `isJsonLike`. */
export function isForm(contentType: string | undefined): boolean {
  return mediaTypeOf(contentType) === 'application/x-www-form-urlencoded';
}

/**
 * Whether a body is labelled as a form and is one. Throws `RejectedDelivery` for signed JSON with the label of a form: a
 * text in it can hold fields of a form, and the sender has signed neither the label nor these fields.
 */
export function isTrueForm(contentType: string | undefined, body: Buffer): boolean {
  if (!isForm(contentType)) return false;
  if (isJsonLike(body)) throw malformed('malformed_form', 'the body is labelled as a form, but it is JSON');
  return true;
}

const BLANKS: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20]);
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const JSON_STARTS: ReadonlySet<number> = new Set([0x7b, 0x5b, 0x22]);

/** Whether a body begins as JSON does: with an object, a list or a string. No name of a form's field does. */
export function isJsonLike(body: Buffer): boolean {
  let at = body.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  while (BLANKS.has(body[at] ?? 0)) at += 1;
  return JSON_STARTS.has(body[at] ?? 0);
}

function mediaTypeOf(contentType: string | undefined): string | undefined {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase();
}
