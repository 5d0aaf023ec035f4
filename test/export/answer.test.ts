import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { resultOfAnswer } from '../../src/export/answer.ts';
import type { SendResult } from '../../src/export/transport.ts';

const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const JSON_TYPE = { 'content-type': 'application/json' };

function answer(status: number, headers: Record<string, string>, body: string | Uint8Array): SendResult {
  return resultOfAnswer({ status, headers, body: Buffer.from(body) });
}

function partial(rejected: number, message: string): Uint8Array {
  const inner = new BinaryWriter().tag(1, WireType.Varint).int64(rejected);
  inner.tag(2, WireType.LengthDelimited).string(message);
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(inner.finish()).finish();
}

const STATUS = new BinaryWriter()
  .tag(1, WireType.Varint)
  .int32(3)
  .tag(2, WireType.LengthDelimited)
  .string('the span is bad')
  .finish();

test.each<[string, Record<string, string>, string | Uint8Array]>([
  ['protobuf', PROTOBUF, partial(3, 'why')],
  ['protobuf without a type', {}, partial(3, 'why')],
  ['protobuf as octets', { 'content-type': 'application/octet-stream' }, partial(3, 'why')],
  ['JSON', JSON_TYPE, '{"partialSuccess":{"rejectedSpans":"3","errorMessage":"why"}}'],
  ['JSON without a type', {}, '\n{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"why"}}'],
])('a partial success in %s is counted', (_name, headers, body) => {
  expect(answer(200, headers, body)).toEqual({ kind: 'accepted', rejected: 3, reason: 'why' });
});

test.each<[string, Record<string, string>, string | Uint8Array]>([
  ['nothing', PROTOBUF, ''],
  ['a warning', PROTOBUF, partial(0, 'a warning')],
  ['a negative count', PROTOBUF, partial(-1, 'why')],
  ['JSON under the type of protobuf', PROTOBUF, '{"partialSuccess":{"rejectedSpans":3}}'],
  ['protobuf under the type of JSON', JSON_TYPE, partial(3, 'why')],
  ['half a message', PROTOBUF, partial(3, 'why').subarray(0, 4)],
  ['text', { 'content-type': 'text/plain' }, 'ok'],
])('a 200 with %s is a full success', (_name, headers, body) => {
  expect(answer(200, headers, body)).toEqual({ kind: 'accepted', rejected: 0 });
});

test.each<[Record<string, string>, string]>([
  [{ 'content-type': 'text/html; charset=utf-8' }, 'Log in'],
  [{}, '<!DOCTYPE html><title>Log in</title>'],
  [{ 'content-type': 'text/plain' }, '\n<html>'],
])('a 200 with the web page %j %s took nothing', (headers, body) => {
  expect(answer(200, headers, body)).toEqual({
    kind: 'unsupported',
    status: 200,
    reason: 'status 200 with a web page',
  });
});

test('the message of a refusal is read in both encodings', () => {
  const refused = { kind: 'refused', status: 400, reason: 'status 400: the span is bad' };
  expect(answer(400, PROTOBUF, STATUS)).toEqual(refused);
  expect(answer(400, {}, STATUS)).toEqual(refused);
  expect(answer(400, JSON_TYPE, '{"code":3,"message":"the span is bad"}')).toEqual(refused);
  expect(answer(400, {}, 'the span is bad')).toEqual(refused);
});

test('a redirect names its target, without the query', () => {
  for (const status of [301, 302, 307, 308]) {
    expect(answer(status, { location: 'https://h/v1/logs?key=secret' }, '')).toEqual({
      kind: 'refused',
      status,
      reason: `status ${status}: it redirects to https://h/v1/logs, which is not followed.`,
    });
  }
});
