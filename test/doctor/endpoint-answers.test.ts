import { expect, test } from 'vitest';
import { type EndpointAnswers, isTaken, judgeAnswers } from '../../src/doctor/endpoint-answers.ts';
import type { HttpAnswer } from '../../src/doctor/http-answer.ts';
import { linesOf } from './subject.ts';

function answer(status: number, text = '', headers: HttpAnswer['headers'] = {}): HttpAnswer {
  return { status, text, headers };
}

function judge(answers: Record<string, HttpAnswer | undefined>, more: Partial<EndpointAnswers> = {}): string {
  const entries = Object.entries(answers) as [never, HttpAnswer | undefined][];
  const url = 'http://host:4318/v1/traces';
  const base = { where: 'W', url, program: undefined, protocol: 'http/protobuf', hasHeaders: false } as const;
  return linesOf(judgeAnswers({ ...base, answers: new Map(entries), ...more }));
}

test.each<[HttpAnswer, boolean]>([
  [answer(200, '{}'), true],
  [answer(204), true],
  [answer(200, '<!doctype html>'), false],
  [answer(200, '', { 'content-type': 'text/html' }), false],
  [answer(404), false],
])('a success that is not a web page counts (%#)', (one, expected) => {
  expect(isTaken(one)).toBe(expected);
});

test('accepted and missing signals are named', () => {
  const ok = answer(200);
  expect(judge({ traces: ok, logs: ok, metrics: ok })).toBe('ok W: takes traces, logs, metrics');
  expect(judge({ traces: ok, logs: answer(404), metrics: answer(404) })).toBe(
    'ok W: takes traces, not logs and metrics: logs stay in the files',
  );
  expect(judge({ traces: answer(404), logs: ok })).toMatch(/^warning W: takes logs, but no traces/);
});

test('the same refusal of every signal is one finding, of some signals it names them', () => {
  expect(judge({ traces: answer(401), logs: answer(401) })).toMatch(
    /^problem W: it requires credentials \(401\)[^\n]*$/,
  );
  expect(judge({ traces: answer(200), logs: answer(403) })).toMatch(
    /^problem W: logs: it requires credentials \(403\)/,
  );
});

test('refused headers are not missing ones', () => {
  expect(judge({ traces: answer(401) }, { hasHeaders: true })).toContain('it refuses the credentials in');
});

test('a server that answers one signal and not another in time is a warning', () => {
  expect(judge({ traces: answer(200), logs: undefined })).toMatch(
    /^warning W: logs: answers some signals and not others in time/,
  );
});

test('a path of a signal that is in the address twice is named', () => {
  const url = 'http://host:4318/v1/traces/v1/traces';
  expect(judge({ traces: answer(404) }, { url })).toContain('set it without /v1/...');
});
