import { gzipSync } from 'node:zlib';

const JSON_TYPE = 'application/json';
const PROTOBUF_TYPE = 'application/x-protobuf';
const LOGS = '/v1/logs';
const TRACES = '/v1/traces';
const EMPTY_RECORDS = 8_000_000;

/** Requests that are small for their sender and much work for a receiver, or large and honest. Each is made when it is used. */
export const HOSTILE = {
  '8 million empty records, gzip, protobuf': () => gzipped(LOGS, PROTOBUF_TYPE, emptyRecords()),
  '8 million empty records, gzip, JSON': () =>
    gzipped(LOGS, JSON_TYPE, `${BEFORE}${'{},'.repeat(EMPTY_RECORDS)}{}${AFTER}`),
  '300,000 honest records': () =>
    plain(
      LOGS,
      records(300_000, (at) => recordOf(at, `honest-${at % 8}`)),
    ),
  '900,000 small records': () =>
    plain(
      LOGS,
      records(900_000, () => '{"body":{"stringValue":"x"}}'),
    ),
  'an attribute of 64 MB': () =>
    plain(
      LOGS,
      records(1, () => recordOf(1, 'large', 'x'.repeat(66_000_000))),
    ),
  'an attribute of 15 MB': () =>
    plain(
      LOGS,
      records(1, () => recordOf(1, 'large', 'x'.repeat(15_000_000))),
    ),
  'a content of 15 MB of secrets': () =>
    plain(
      LOGS,
      records(1, () => recordOf(1, 'large', '', 'API_KEY=abcdefgh12345678 '.repeat(600_000))),
    ),
  'a value 2 million levels deep': () =>
    plain(
      LOGS,
      records(1, () => `{"body":${deep(2_000_000)}}`),
    ),
  'a record of a million attributes': () =>
    plain(
      LOGS,
      records(1, () => `{"attributes":[${'{"key":"a","value":{"intValue":1}},'.repeat(1_000_000)}{}]}`),
    ),
  'a million resources': () => plain(LOGS, `{"resourceLogs":[${'{},'.repeat(1_000_000)}{}]}`),
  'a span of a million events': () => plain(TRACES, spans(1, `,"events":[${'{},'.repeat(1_000_000)}{}]`)),
  '20,000 spans with a resource of 200 kB': () => plain(TRACES, spans(20_000, '', 'r'.repeat(200_000))),
  '40,000 new tasks': () =>
    plain(
      LOGS,
      records(40_000, (at) => recordOf(at, `new-${at}`)),
    ),
  'a string of 60 MB of escapes': () =>
    plain(
      LOGS,
      records(1, () => `{"body":{"stringValue":"${'\\"'.repeat(30_000_000)}"}}`),
    ),
};

const BEFORE = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[';
const AFTER = ']}]}]}';

function plain(path, text) {
  return { path, body: Buffer.from(text), headers: { 'content-type': JSON_TYPE } };
}

function gzipped(path, type, bytes) {
  return { path, body: gzipSync(bytes), headers: { 'content-type': type, 'content-encoding': 'gzip' } };
}

function records(count, of) {
  return BEFORE + Array.from({ length: count }, (_, at) => of(at)).join(',') + AFTER;
}

function recordOf(at, task, more = '', body = `line ${at} of an honest program`) {
  return JSON.stringify({
    timeUnixNano: `17500000000${String(at).padStart(8, '0')}`,
    body: { stringValue: body },
    attributes: [
      { key: 'tasktrail.task.id', value: { stringValue: task } },
      { key: 'more', value: { stringValue: more } },
    ],
  });
}

function spans(count, more, resource = '') {
  const attributes = '"attributes":[{"key":"tasktrail.task.id","value":{"stringValue":"spans"}}]';
  const one = (at) =>
    `{"traceId":"${'a'.repeat(32)}","spanId":"${String(at + 1).padStart(16, '0')}","name":"x",${attributes}${more}}`;
  const list = Array.from({ length: count }, (_, at) => one(at)).join(',');
  const about = `{"attributes":[{"key":"r","value":{"stringValue":"${resource}"}}]}`;
  return `{"resourceSpans":[{"resource":${about},"scopeSpans":[{"spans":[${list}]}]}]}`;
}

function deep(levels) {
  return `${'{"arrayValue":{"values":['.repeat(levels)}{}${']}}'.repeat(levels)}`;
}

/** Two bytes each: a field with an empty message. */
function emptyRecords() {
  const inner = Buffer.alloc(2 * EMPTY_RECORDS);
  for (let at = 0; at < inner.length; at += 2) inner[at] = 0x12;
  const scope = message(2, inner);
  return message(1, scope);
}

function message(field, bytes) {
  return Buffer.concat([Buffer.from([field * 8 + 2, ...varint(bytes.length)]), bytes]);
}

function varint(value) {
  const bytes = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return [...bytes, rest];
}
