import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { decodeJson } from '../../../src/receive/json/decode-json.ts';
import { fc } from '../../support/fast-check.ts';
import { decodeLargeJson, LOGS, logsRequest, TRACES } from '../requests.ts';

/** What a body gives when it is parsed at once, and when it is read in parts. */
function readTwice(text: string, signal = LOGS): [unknown, unknown] {
  const body = Buffer.from(text);
  return [outcome(() => signal.read(decodeJson(body))), outcome(() => decodeLargeJson(signal, body))];
}

function outcome(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(TasktrailError);
    return error instanceof TasktrailError && error.code;
  }
}

const RECORD = '{"body":{"stringValue":"a, \\"b\\" [c] {d} \\\\"}}';

test.each([
  '{}',
  ' {"resourceLogs" : [ {"scopeLogs" : [ {"logRecords" : [ ] } ] } ] } ',
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD} , ${RECORD}],"scope":{"name":"after"}}],"resource":{"attributes":[]}}]}`,
  '{"resourceLogs":[null,7,"x",[],{"scopeLogs":[null,[{}],{"logRecords":[null,7,"x",[]]}]}]}',
  '{"resourceLogs":{"scopeLogs":[]}}',
  '{"resourceLogs":null}',
  '{"resourceLogs":[{"scopeLogs":{}},{"scopeLogs":[{"logRecords":{}}]}]}',
  // Of fields with one name the last one counts, and OTLP's own name before the one of the .proto file.
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD},7]}]}],"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD}]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD}]}]}],"resourceLogs":5}`,
  `{"resourceLogs":5,"resourceLogs":[{"scopeLogs":[{"logRecords":[7],"logRecords":[${RECORD}]}],"scopeLogs":[]}]}`,
  `{"resource_logs":[{"scope_logs":[{"log_records":[{"severity_text":"a"},${RECORD}]}]}]}`,
  `{"resource_logs":[{"scopeLogs":[{"logRecords":[7]}]}],"resourceLogs":[{"scopeLogs":[{"log_records":[7],"logRecords":[${RECORD}]}]}]}`,
  `{"resource_logs":[{"scopeLogs":[{"logRecords":[7]}]}],"resourceLogs":null}`,
  `{"resource\\u004cogs":[{"scopeLogs":[{"logRecords":[${RECORD}]}]}]}`,
  `{"unknown":[{"resourceLogs":[{"scopeLogs":[{"logRecords":[7]}]}]}],"resourceLogs":[{"x":{"scopeLogs":[7]},"scopeLogs":[{"logRecords":[${RECORD}]}]}]}`,
  '{"resourceSpans":[{"scopeSpans":[]}]}',
  '{"resourceLogs":[{"instrumentationLibraryLogs":[{"logs":[{}]}]}]}',
  '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"\\ud800 \\ud83d\\ude00"}}]}]}]}',
])('%s is read as when it is parsed at once', (text) => {
  const [atOnce, inParts] = readTwice(text);
  expect(inParts).toEqual(atOnce);
});

test.each([
  '',
  ' ',
  '\ufeff{}',
  '[',
  '[]',
  'null',
  '{',
  '{"resourceLogs":[',
  '{"resourceLogs":[]',
  '{"resourceLogs":[]}}',
  '{"resourceLogs":[]} x',
  '{"resourceLogs":[,]}',
  '{"resourceLogs":[{},]}',
  '{"resourceLogs":[{} {}]}',
  '{"resourceLogs" [{}]}',
  '{"resourceLogs":[{]}',
  '{"resourceLogs":[{}}',
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD},]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[,${RECORD}]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD} ${RECORD}]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD},{"body":tru}]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD},{"body":"x]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD}]}]}],"later":01}`,
])('%s is malformed as a whole', (text) => {
  const [atOnce, inParts] = readTwice(text);
  expect([atOnce, inParts]).toEqual(['ERR_INPUT_INVALID', 'ERR_INPUT_INVALID']);
});

/** Pieces of requests: together they are valid, nearly valid, or nonsense. */
const piece = fc.constantFrom(
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    ' ',
    '"resourceLogs":[',
    '"resource_logs":[',
    '{"scopeLogs":[',
    '{"logRecords":[',
  ],
  ...[
    '"log_records":[',
    ']}',
    ']}]}',
    '"scope":{"name":"s"}',
    '"resource":{}',
    '{"severityText":"a"}',
    '7',
    'null',
  ],
  ...[
    '"x"',
    '"\\"',
    '"\\\\"',
    RECORD,
    '{}',
    '[]',
    '"scopeLogs":5',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[',
  ],
);

test('any text is read, or refused with the same code, as when it is parsed at once', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const [atOnce, inParts] = readTwice(pieces.join(''));
      expect(inParts).toEqual(atOnce);
    }),
    { numRuns: 20_000 },
  );
});

const field = fc.constantFrom(
  'resourceLogs',
  'resource_logs',
  'scopeLogs',
  'scope_logs',
  'logRecords',
  'log_records',
  'resource',
  'x',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(null, 7, 'a, ]}"\\', true),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(field, tie('tree'), { maxKeys: 4 }),
  ),
}));

test('any JSON is read as when it is parsed at once', () => {
  fc.assert(
    fc.property(tree, fc.nat(2), (value, indent) => {
      const request = { resourceLogs: [{ scopeLogs: [{ logRecords: [value] }, value] }, value] };
      for (const text of [JSON.stringify(value, null, indent), JSON.stringify(request, null, indent)]) {
        const [atOnce, inParts] = readTwice(text);
        expect(inParts).toEqual(atOnce);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a body whose bytes are no UTF-8 is read as when it is parsed at once', () => {
  const text = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${RECORD},${RECORD}]}]}]}`;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(text.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
      const body = Buffer.from(text);
      for (const [at, to] of changes) body[at] = to;
      const atOnce = outcome(() => LOGS.read(decodeJson(body)));
      expect(outcome(() => decodeLargeJson(LOGS, body))).toEqual(atOnce);
    }),
    { numRuns: 5_000 },
  );
});

test('a record nested hundreds of thousands deep is rejected alone', () => {
  const deep = `${'{"arrayValue":{"values":['.repeat(300_000)}${']}}'.repeat(300_000)}`;
  const body = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${deep}},{"severityText":"kept"}]}]}]}`;
  const { batch, rejected } = decodeLargeJson(LOGS, body);
  expect({ rejected, kept: batch.logs[0]?.record.severityText }).toEqual({ rejected: 1, kept: 'kept' });
});

test('a record of a million attributes, and one of 40 MB, are rejected alone, with the reason', () => {
  const attributes = new Array(1_000_000).fill({ key: 'a', value: { intValue: 1 } });
  const large = { body: { stringValue: 'x'.repeat(40_000_000) } };
  const body = JSON.stringify(
    logsRequest({ severityText: 'first' }, { attributes }, large, { severityText: 'last' }),
  );
  const { batch, reasons } = decodeLargeJson(LOGS, body);
  expect(batch.logs.map(({ record }) => record.severityText)).toEqual(['first', 'last']);
  expect(reasons).toEqual([
    'a record holds more than 120000 values',
    'a record is larger than 33554432 bytes',
  ]);
});

test('the records of an entry that is too large are rejected, and those of others are kept', () => {
  const large = { attributes: [{ key: 'a', value: { stringValue: 'x'.repeat(300_000) } }] };
  const scopeLogs = [{ logRecords: [{}, {}] }];
  const body = JSON.stringify({ resourceLogs: [{ resource: large, scopeLogs }, { scopeLogs }] });
  const { batch, rejected } = decodeLargeJson(LOGS, body);
  expect([batch.logs.length, rejected]).toEqual([2, 2]);
});

test.each([
  [
    'empty records',
    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${'{},'.repeat(600_000)}{}]}]}]}`,
    'records',
  ],
  ['resources', `{"resourceLogs":[${'{},'.repeat(300_000)}{}]}`, 'resources and scopes'],
  ['scopes', `{"resourceLogs":[{"scopeLogs":[${'0,'.repeat(300_000)}0]}]}`, 'resources and scopes'],
  [
    'lists of one name',
    `{"resourceLogs":[{${'"scopeLogs":[],'.repeat(300_000)}"a":1}]}`,
    'resources and scopes',
  ],
  [
    'values',
    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${`{"body":[${'0,'.repeat(400_000)}0]},`.repeat(41)}{}]}]}]}`,
    'values',
  ],
])('too many %s are refused, with what to do', (_, text, what) => {
  expect(() => decodeLargeJson(LOGS, text)).toThrow(
    expect.objectContaining({
      code: 'ERR_TOO_LARGE',
      message: expect.stringMatching(
        new RegExp(
          `^the request holds more than \\d+ ${what}: send smaller batches .*OTEL_BLRP_MAX_EXPORT_BATCH_SIZE`,
        ),
      ),
    }),
  );
});

test('spans are found by their own fields', () => {
  const spans = [
    { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: [{ key: 'logRecords', value: {} }] },
  ];
  const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
  expect(decodeLargeJson(TRACES, body).batch.spans).toHaveLength(1);
});
