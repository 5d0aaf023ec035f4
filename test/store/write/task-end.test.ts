import { expect, test } from 'vitest';
import { ReportedEnd } from '../../../src/store/write/task/task-end.ts';

const metadata = (attempt = 1, status = 'completed'): string => JSON.stringify({ attempt, status });
const result = (cost = 1, status = 'completed'): string =>
  JSON.stringify({ status, metrics: { cost_usd: cost } });

test('an end is reported once its metadata is terminal, and only once', () => {
  const end = new ReportedEnd();
  expect(end.report({ metadata: undefined, finalResult: result() })).toBeUndefined();
  expect(end.report({ metadata: metadata(1, 'running'), finalResult: result() })).toBeUndefined();
  expect(end.report({ metadata: metadata(), finalResult: undefined })).toBeUndefined();
  const texts = { metadata: metadata(), finalResult: result() };
  expect(end.report(texts)).toEqual({
    metadata: { attempt: 1, status: 'completed' },
    result: { status: 'completed', metrics: { cost_usd: 1 } },
    before: undefined,
  });
  expect(end.report(texts)).toBeUndefined();
});

test('another result of the same attempt is reported with the one before', () => {
  const end = new ReportedEnd();
  end.report({ metadata: metadata(), finalResult: result(1, 'abandoned') });
  expect(end.report({ metadata: metadata(), finalResult: result(2) })).toMatchObject({
    result: { metrics: { cost_usd: 2 } },
    before: { status: 'abandoned', metrics: { cost_usd: 1 } },
  });
});

test('the end of another attempt has none before', () => {
  const end = new ReportedEnd();
  end.report({ metadata: metadata(1), finalResult: result(1) });
  const next = end.report({ metadata: metadata(2), finalResult: result(1) });
  expect(next?.metadata.attempt).toBe(2);
  expect(next?.before).toBeUndefined();
});

test('the end that an earlier process stored is not reported', () => {
  const end = new ReportedEnd();
  const texts = { metadata: metadata(), finalResult: result() };
  end.markReported(texts);
  expect(end.report(texts)).toBeUndefined();
  expect(end.report({ ...texts, finalResult: result(2) })?.before).toMatchObject({
    metrics: { cost_usd: 1 },
  });
});

test.each(['{', '[]', '{}', '{"status":"completed"}', '{"status":"running","metrics":{}}'])(
  'the damaged result %s is not reported',
  (finalResult) => {
    expect(new ReportedEnd().report({ metadata: metadata(), finalResult })).toBeUndefined();
  },
);

test.each(['{', '[]', '{"status":"completed"}', '{"attempt":1}'])(
  'the damaged metadata %s reports no end',
  (damaged) => {
    expect(new ReportedEnd().report({ metadata: damaged, finalResult: result() })).toBeUndefined();
  },
);
