import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { decodeJson } from '../../../src/receive/json/decode-json.ts';
import { fc } from '../../support/fast-check.ts';
import { LOGS, logsRequest, TRACES } from '../requests.ts';

test.each(['', 'x', '{', '{"resourceLogs":[', '\u0000', '[1,]'])('%j is malformed', (text) => {
  expect(() => decodeJson(Buffer.from(text))).toThrow(
    expect.objectContaining({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(/^malformed JSON: /),
    }),
  );
});

test('brackets alone, hundreds of thousands deep, are refused', () => {
  const body = Buffer.from('['.repeat(500_000) + ']'.repeat(500_000));
  expect(() => LOGS.read(decodeJson(body))).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
});

test('arbitrary JSON is read or refused, and never throws another error', () => {
  const anything = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(anything, (value) => {
      const { batch, rejected } = LOGS.read(logsRequest(value));
      expect(batch.logs.length + rejected).toBe(1);
    }),
  );
  fc.assert(
    fc.property(anything, fc.constantFrom(LOGS, TRACES), (value, signal) => {
      try {
        signal.read(value);
      } catch (error) {
        expect(error).toBeInstanceOf(TasktrailError);
      }
    }),
  );
});

test('a record with random values in its real fields is read or refused alone', () => {
  const fields = [
    'timeUnixNano',
    'body',
    'attributes',
    'severityNumber',
    'severityText',
    'eventName',
    'traceId',
  ];
  const record = fc.dictionary(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(record, (raw) => {
      const { batch, rejected } = LOGS.read(logsRequest({ severityText: 'before' }, raw));
      expect(batch.logs[0]?.record.severityText).toBe('before');
      expect(batch.logs.length + rejected).toBe(2);
    }),
  );
});
