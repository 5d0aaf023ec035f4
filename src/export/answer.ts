import type { IncomingHttpHeaders } from 'node:http';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { parseObject } from '../model/json.ts';
import { acceptedOf, resultOfBody, resultOfStatus, type SendResult } from './transport.ts';

/** An HTTP answer. The body may be cut: it only explains the status. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The first byte of a partial success and of a google.rpc.Status: field 1, as message and as number. */
const FIRST_TAGS: ReadonlySet<number | undefined> = new Set([0x0a, 0x08]);

/** A web server, or a proxy that asks for a login, answers any path with a page and 200. */
export function isWebPage(contentType: string | undefined, text: string): boolean {
  return /html/i.test(contentType ?? '') || /^\s*<(?:!doctype|html)/i.test(text);
}

/** `afterMs`: the time of its Retry-After. */
export function resultOfAnswer(answer: Answer, afterMs?: number): SendResult {
  const result = plainResultOf(answer, afterMs);
  const isAsked = TOKEN_ASKED.test(answer.headers['www-authenticate'] ?? '');
  if (!isAsked || (result.kind !== 'accepted' && result.kind !== 'refused')) return result;
  return { ...result, asksForToken: true };
}

/** As the receiver of tasktrail asks, and no other one. */
const TOKEN_ASKED = /^Bearer realm="tasktrail"/i;

function plainResultOf({ status, headers, body }: Answer, afterMs?: number): SendResult {
  const text = isProtobuf(headers, body) ? undefined : body.toString('utf8');
  if (status >= 200 && status <= 299) {
    if (text === undefined) return resultOfProtobuf(body);
    if (!isWebPage(headers['content-type'], text)) return resultOfBody(text);
    return { kind: 'unsupported', status, reason: `status ${status} with a web page` };
  }
  const detail = text === undefined ? (statusMessage(body) ?? '') : (jsonMessage(text) ?? text);
  return resultOfStatus(status, `${redirectOf(status, headers)}${detail}`, afterMs);
}

/** The type of the answer decides. Without one, a message that is whole does: text ends early when it is read as one. */
function isProtobuf(headers: IncomingHttpHeaders, body: Buffer): boolean {
  const type = headers['content-type'];
  if (type !== undefined) return /protobuf|octet-stream/i.test(type);
  return FIRST_TAGS.has(body[0]) && fieldsOf(body) !== undefined;
}

/** Where it redirects to, without the query, which may hold a key. */
function redirectOf(status: number, { location = '' }: IncomingHttpHeaders): string {
  if (status < 300 || status > 399 || !URL.canParse(location)) return '';
  const { origin, pathname } = new URL(location);
  return `it redirects to ${origin}${pathname}, which is not followed. `;
}

/** ExportLogsServiceResponse and ExportTraceServiceResponse have the same numbers. */
function resultOfProtobuf(body: Buffer): SendResult {
  const partial = fieldsOf(body)?.get(1);
  const fields = partial instanceof Uint8Array ? fieldsOf(partial) : undefined;
  return acceptedOf(fields?.get(1), textOf(fields?.get(2)));
}

/** The message of a google.rpc.Status in protobuf. */
function statusMessage(body: Buffer): string | undefined {
  return textOf(fieldsOf(body)?.get(2));
}

/** The message of a google.rpc.Status in JSON. */
function jsonMessage(text: string): string | undefined {
  const message = parseObject(text)?.message;
  return typeof message === 'string' ? message : undefined;
}

function textOf(bytes: number | Uint8Array | undefined): string | undefined {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('utf8') : undefined;
}

/** The numbers and bytes of a message; undefined when it is not protobuf. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, number | Uint8Array> | undefined {
  const fields = new Map<number, number | Uint8Array>();
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      if (wire === WireType.Varint) fields.set(number, Number(reader.int64()));
      else if (wire === WireType.LengthDelimited) fields.set(number, reader.bytes());
      else reader.skip(wire, number);
    }
    return fields;
  } catch {
    // RangeError: the body is cut, or something else under this content type.
    return undefined;
  }
}
