import { expect, test } from 'vitest';
import { countNames, endedPhases, phaseLines } from '../../../src/cli/demo/agent-digest.ts';
import { createPaint } from '../../../src/cli/terminal/terminal-text.ts';
import type { JsonObject } from '../../../src/model/json.ts';

const SHEET = { width: 60, paint: createPaint(false) };

function at(second: number): string {
  return new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString();
}

function event(type: string, second: number, phase?: string): JsonObject {
  return { event_type: type, timestamp: at(second), payload: phase === undefined ? {} : { phase } };
}

const PHASE = { name: 'frame', startedAt: at(0), endedAt: at(3) };

const SAID: JsonObject = { timestamp: at(1), type: 'output', content: 'I look at the project.' };

function call(id: string, name: string, input: JsonObject): JsonObject {
  return { timestamp: at(1), type: 'tool_call', tool_name: name, tool_use_id: id, tool_input: input };
}

function result(id: string, content: string, more: JsonObject = {}): JsonObject {
  return { timestamp: at(2), type: 'tool_result', tool_use_id: id, content, ...more };
}

test('phases that have ended are listed, open ones are not', () => {
  const events = [
    event('workflow_start', 0),
    event('phase_start', 1, 'frame'),
    event('step_start', 1, 'frame'),
    event('phase_complete', 2, 'frame'),
    event('phase_start', 2, 'build'),
  ];
  expect(endedPhases(events)).toEqual([{ name: 'frame', startedAt: at(1), endedAt: at(2) }]);
  expect(endedPhases([...events, event('phase_complete', 5, 'build')])).toHaveLength(2);
});

test('a phase is its time and what was said first, then a line for each call with its result', () => {
  const output = [
    { timestamp: at(0), type: 'thinking', content: 'hm' },
    SAID,
    call('1', 'Read', { file_path: 'README.md' }),
    result('1', '# tasktrail\n\nIt records.\n'),
    { timestamp: at(2), type: 'output', content: 'later' },
  ];
  expect(phaseLines(PHASE, output, SHEET)).toEqual([
    'frame      3.0s I look at the project.',
    '           Read README.md -> # tasktrail (+2 lines)',
  ]);
});

test('output of other phases does not count', () => {
  const outside = [-1, 4].map((second) => ({ ...SAID, timestamp: at(second), content: 'elsewhere' }));
  expect(phaseLines(PHASE, [...outside, SAID], SHEET)).toEqual(['frame      3.0s I look at the project.']);
});

test('of many calls the first one and the failed ones have lines', () => {
  const calls = ['a', 'b', 'c', 'd', 'e'].flatMap((id) => [
    call(id, 'Bash', { command: `test ${id}` }),
    result(id, `output of ${id}`, { is_error: id !== 'a' && id !== 'd' }),
  ]);
  expect(phaseLines(PHASE, [SAID, ...calls], SHEET).slice(1)).toEqual([
    '           Bash test a -> output of a',
    '           Bash test b -> output of b',
    '           Bash test c -> output of c',
    '           2 more tool calls: Bash x2',
  ]);
});

test('many calls are three lines', () => {
  const calls = Array.from({ length: 13 }, (_, index) => [
    call(String(index), index % 2 === 0 ? 'Read' : 'Bash', { file_path: `${index}.ts` }),
    result(String(index), 'text'),
  ]).flat();
  expect(phaseLines(PHASE, [SAID, ...calls], SHEET)).toEqual([
    'frame      3.0s I look at the project.',
    '           Read 0.ts -> text',
    '           12 more tool calls: Bash x6, Read x6',
  ]);
});

test('long texts are cut, each line has its width, and the result keeps its place', () => {
  const output = [
    { ...SAID, content: 'word '.repeat(500) },
    call('1', 'Bash', { command: `echo ${'x'.repeat(300)}` }),
    result('1', 'the result'),
  ];
  const [first = '', second = ''] = phaseLines(PHASE, output, { ...SHEET, width: 90 });
  expect([first.length, first.at(-1)]).toEqual([90, '\u2026']);
  expect(second).toMatch(/^ {11}Bash echo x{44}\u2026 -> the result$/);
});

test('calls without a result, with a failed one and without a text as input are shown too', () => {
  const lines = (output: readonly JsonObject[]): readonly string[] =>
    phaseLines(PHASE, output, { width: 60, paint: createPaint(true) }).slice(1);
  expect(lines([call('1', 'Read', { file_path: 'a' })])).toEqual([`${' '.repeat(11)}\x1b[2mRead a\x1b[0m`]);
  const failed = [call('1', 'Read', { file_path: 'a' }), result('1', 'no such file', { is_error: true })];
  expect(lines(failed)).toEqual([`${' '.repeat(11)}\x1b[31mRead a -> no such file\x1b[0m`]);
  expect(lines([call('1', 'Count', { to: 3 })])[0]).toContain('Count {"to":3}');
});

test('a file is shown by its name, a command as it is', () => {
  const lines = (input: JsonObject): readonly string[] =>
    phaseLines(PHASE, [call('1', 'Tool', input)], SHEET);
  expect(lines({ file_path: '/tmp/x/ISSUE.md', text: 'x' })[1]).toBe(`${' '.repeat(11)}Tool ISSUE.md`);
  expect(lines({ command: '/bin/ls /tmp' })[1]).toBe(`${' '.repeat(11)}Tool /bin/ls /tmp`);
});

test('recorded text cannot steer the terminal', () => {
  const evil = '\x1b[2J\u202e';
  const output = [{ ...SAID, content: evil }, call('1', evil, { x: evil }), result('1', evil)];
  for (const line of phaseLines({ ...PHASE, name: evil }, output, SHEET))
    expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
});

test('names are counted in the order of their first place', () => {
  expect(countNames(['Read', 'Grep', 'Read'])).toBe('Read x2, Grep');
});
