import { describe, expect, test } from 'vitest';
import { auto, dialectOf } from '../../../src/agent/dialects/auto.ts';
import { findDialect } from '../../../src/agent/dialects/dialects.ts';
import { parseObject } from '../../../src/model/json.ts';
import { linesOf, type Reading, readLines, readObjects, recordingsIn } from '../reading.ts';

const RECORDED: Readonly<Record<string, string>> = {
  'claude-code': 'claude',
  codex: 'codex',
  'gemini-cli': 'gemini',
  opencode: 'opencode',
};

const MADE: Readonly<Record<string, string>> = {
  'claude-empty-result': 'claude',
  'claude-structured-output': 'claude',
  'codex-resume-1': 'codex',
  'codex-resume-2': 'codex',
  cursor: 'cursor',
  'gemini-quota': 'gemini',
  qwen: 'qwen',
};

const CASES: readonly (readonly [recording: string, dialect: string])[] = [
  ...Object.entries(RECORDED).flatMap(([folder, dialect]) =>
    recordingsIn(folder).map((name) => [`${folder}/${name}`, dialect] as const),
  ),
  ...Object.entries(MADE).map(([name, dialect]) => [`made/${name}`, dialect] as const),
];

function resultOf(...lines: readonly string[]): string | null {
  return readLines(auto, lines).reader.verdict().result;
}

test.each(CASES)('%s reads as in its own dialect', (recording, dialect) => {
  const lines = linesOf(recording);
  const found = readLines(auto, lines);
  const wanted = readLines(findDialect(dialect), lines);
  expect(found.outputs).toEqual(wanted.outputs);
  expect(found.reader.verdict()).toEqual(wanted.reader.verdict());
  expect(found.reader.model).toBe(wanted.reader.model);
  expect(found.reader.isFinal).toBe(wanted.reader.isFinal);
});

test.each(CASES)('each line of %s is of its dialect or of none', (recording, dialect) => {
  const found = linesOf(recording).flatMap((line) => {
    const message = parseObject(line);
    return (message && dialectOf(message)?.name) ?? [];
  });
  // The messages that Qwen Code shares with Claude Code come after its own first one.
  const known = dialect === 'qwen' ? ['qwen', 'claude'] : [dialect];
  // Cursor prints its texts as Claude Code does, but without an id.
  expect([...new Set(found)].filter((name) => !known.includes(name))).toEqual([]);
  expect(found[0]).toBe(dialect);
});

test('what a wrapper script prints before the agent starts is output and decides nothing', () => {
  const before = ['added 3 packages in 2s\n', '{"level":"info","msg":"starting"}\n', '{ "a": [\n', '\n'];
  const { reader, outputs } = readLines(auto, [...before, ...linesOf('claude-code/demo')]);
  expect(outputs.slice(0, 4)).toEqual(before.map((content) => ({ type: 'output', content })));
  expect(reader.verdict()).toEqual(
    readLines(findDialect('claude'), linesOf('claude-code/demo')).reader.verdict(),
  );
});

test('the first message decides, also when another dialect follows', () => {
  const lines = [...linesOf('codex/demo'), ...linesOf('claude-code/demo')];
  const { outputs, reader } = readLines(auto, lines);
  const own = readLines(findDialect('codex'), lines);
  expect(outputs).toEqual(own.outputs);
  expect(reader.verdict()).toEqual(own.reader.verdict());
});

test('a message with the signs of two dialects has one dialect, always the same', () => {
  const both = { type: 'system', subtype: 'init', session_id: 's', permissionMode: 'default' };
  const named = (more: object): string | undefined => dialectOf({ ...both, ...more })?.name;
  expect(named({ tools: ['Bash'] })).toBe('claude');
  expect(named({ tools: ['Bash'], qwen_code_version: '0.1' })).toBe('qwen');
  expect(named({})).toBe('cursor');
  expect(named({ sessionID: 's', part: {} })).toBe('opencode');
});

test('a message after a thousand lines is data of the program', () => {
  const noise = Array.from({ length: 1_000 }, (_, n) => `line ${n}\n`);
  const { reader } = readLines(auto, [...noise, ...linesOf('codex/demo')]);
  expect(reader.verdict()).toMatchObject({ success: undefined });
  const { reader: early } = readLines(auto, [...noise.slice(1), ...linesOf('codex/demo')]);
  expect(early.verdict()).toMatchObject({ success: true });
});

describe('output of an unknown program', () => {
  test.each([
    '{"timestamp":"2026-01-01T00:00:00Z","type":"result","status":"ok","passed":12}',
    '{"timestamp":"2026-01-01T00:00:00Z","type":"message","role":"assistant","content":"hi"}',
    '{"type":"system","subtype":"boot","session_id":"1"}',
    '{"type":"turn.started","player":2}',
    '{"type":"item.started","item":{"sku":7}}',
    '{"type":"thinking","session_id":"1"}',
  ])('may have logs with fields of an agent: %s', (line) => {
    const { reader } = readLines(auto, [`${line}\n`, 'all done\n']);
    expect(reader.verdict()).toMatchObject({ success: undefined, result: 'all done' });
  });

  test('is text: each line is an output, the exit code decides, nothing is final', () => {
    const { reader, outputs } = readLines(auto, ['one\n', '\n', 'two']);
    expect(outputs.map(({ content }) => content)).toEqual(['one\n', '\n', 'two']);
    expect(reader.verdict()).toEqual(readLines(findDialect('text'), ['one\n', '\n', 'two']).reader.verdict());
    expect(reader.isFinal).toBe(false);
  });

  test('that has messages has the last text as its result', () => {
    const call = '{"type":"tool_call","text":"ls"}\n';
    expect(resultOf('{"type":"begin"}\n', '{"type":"answer","text":"one"}\n', call, '{"type":"end"}\n')).toBe(
      'one',
    );
    expect(resultOf('noise\n', '{"type":"begin"}\n', 'All\n', 'done.\n', '{"type":"end","ms":3}\n')).toBe(
      'All\ndone.',
    );
    expect(
      resultOf(
        'noise\n',
        '{"type":"m","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]}}\n',
      ),
    ).toBe('hi');
    expect(resultOf('{"type":"m","text":"hi"}\n', '{"type":"user_message","text":"prompt"}\n')).toBe('hi');
    expect(resultOf('{"event":"message","data":{"text":"streamed"}}\n')).toBe('streamed');
  });

  test('keeps a message as its result when nothing has a text', () => {
    expect(resultOf('{"type":"report","ok":true}\n')).toBe('{"type":"report","ok":true}');
  });

  test('may be data: JSON that is no message stays the result as printed', () => {
    expect(resultOf('checking\n', '{"verdict":"ok"}\n')).toBe('checking\n{"verdict":"ok"}');
    expect(resultOf('[1,2]\n')).toBe('[1,2]');
  });
});

describe('bad first lines', () => {
  const after = linesOf('codex/demo');
  const wanted = readLines(findDialect('codex'), after).reader.verdict();

  test.each<[string, string, boolean]>([
    ['ten megabytes', `${'x'.repeat(10_000_000)}\n`, false],
    ['ten megabytes of braces', `${'{'.repeat(10_000_000)}\n`, false],
    ['a piece of an over-long line', '{"type":"system","subtype":"init","session_id":"s"', true],
    ['no UTF-8', Buffer.from([0xff, 0xfe, 0x7b, 0x22, 0x0a]).toString('utf8'), false],
    ['NUL', '\0\0\0\n', false],
  ])('%s is an output, and the message after it decides', (_what, line, partial) => {
    const reader = auto.open();
    const more = partial ? { more: { partial: true } } : {};
    expect(reader.read(line, partial)).toEqual([{ type: 'output', content: line, ...more }]);
    for (const next of after) reader.read(next, false);
    expect(reader.verdict()).toEqual(wanted);
  });

  test('a message of ten megabytes is read', () => {
    const long: Reading = readObjects(
      auto,
      { type: 'system', subtype: 'init', session_id: 's', model: 'm', tools: ['x'.repeat(10_000_000)] },
      { type: 'result', subtype: 'success', is_error: false, result: 'done' },
    );
    expect(long.reader.verdict()).toMatchObject({ success: true, result: 'done' });
    expect(long.reader.model).toBe('m');
  });
});
