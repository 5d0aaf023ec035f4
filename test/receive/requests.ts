import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect } from 'vitest';
import type { PlainLogRecord, ReceivedLog, ReceivedSpan } from '../../src/model/otlp.ts';
import { outlineJson } from '../../src/receive/json/outline-json.ts';
import type { Outline } from '../../src/receive/outline/outline.ts';
import { outlineProtobuf } from '../../src/receive/protobuf/outline-protobuf.ts';
import { type DecodedRequest, readOutline, SIGNALS, type Signal } from '../../src/receive/signals.ts';

export const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
export const SPAN_ID = '00f067aa0ba902b7';

export function signalAt(path: '/v1/logs' | '/v1/traces'): Signal {
  const signal = SIGNALS.find((candidate) => candidate.path === path);
  if (signal === undefined) throw new TypeError(`no signal at ${path}`);
  return signal;
}

export const LOGS: Signal = signalAt('/v1/logs');
export const TRACES: Signal = signalAt('/v1/traces');

export function logsRequest(...logRecords: unknown[]): object {
  return { resourceLogs: [{ resource: {}, scopeLogs: [{ scope: {}, logRecords }] }] };
}

export function spansRequest(...spans: unknown[]): object {
  return { resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans }] }] };
}

export function readLogs(...logRecords: unknown[]): DecodedRequest {
  return LOGS.read(logsRequest(...logRecords));
}

export function readSpans(...spans: unknown[]): DecodedRequest {
  return TRACES.read(spansRequest(...spans));
}

/** The one record of a request that must be good. */
export function oneLog(raw: unknown): PlainLogRecord {
  const { batch, reasons } = readLogs(raw);
  expect(reasons).toEqual([]);
  return first(batch.logs).record;
}

export function first<T extends ReceivedLog | ReceivedSpan>(items: readonly T[]): T {
  const item = items[0];
  if (item === undefined) throw new TypeError('nothing was read');
  return item;
}

/** `value` wrapped in that many arrays. */
export function nested(levels: number, value: unknown = { stringValue: 'x' }): unknown {
  let wrapped = value;
  for (let level = 0; level < levels; level++) wrapped = { arrayValue: { values: [wrapped] } };
  return wrapped;
}

/** A length-delimited field with these bytes. */
export function field(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}

/** Encoded log records, or spans, inside the messages around them: both requests have the same field numbers. */
export function requestBody(...records: Uint8Array[]): Buffer {
  return Buffer.from(field(1, field(2, Buffer.concat(records.map((record) => field(2, record))))));
}

export function decode(signal: Signal, body: Buffer): DecodedRequest {
  return readWhole(signal, outlineProtobuf(body, signal.message, signal.fields));
}

/** As `decode`, for a JSON body that is read as a large one. */
export function decodeLargeJson(signal: Signal, body: Buffer | string): DecodedRequest {
  return readWhole(signal, outlineJson(Buffer.from(body), signal.fields));
}

function readWhole(signal: Signal, steps: Generator<void, Outline>): DecodedRequest {
  const reader = signal.open();
  for (const _group of readOutline(resultOf(steps), reader));
  const rest = reader.finish();
  return { batch: reader.take(), ...rest };
}

/** Runs a computation that stops regularly to its end. */
export function resultOf<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
