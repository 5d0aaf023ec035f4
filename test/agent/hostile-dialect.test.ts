import { describe, expect, test } from 'vitest';
import { auto } from '../../src/agent/dialects/auto.ts';
import { claude } from '../../src/agent/dialects/claude.ts';
import { codex } from '../../src/agent/dialects/codex.ts';
import { cursor } from '../../src/agent/dialects/cursor.ts';
import type { Dialect } from '../../src/agent/dialects/dialect.ts';
import { gemini } from '../../src/agent/dialects/gemini.ts';
import { opencode } from '../../src/agent/dialects/opencode.ts';
import { qwen } from '../../src/agent/dialects/qwen.ts';
import { text } from '../../src/agent/dialects/text.ts';
import { OUTPUT_TYPES } from '../../src/model/documents.ts';
import { fc } from '../support/fast-check.ts';
import { brief, linesOf, type Reading, readLines, readObjects, recordingsIn } from './reading.ts';

const FOLDERS: Readonly<Record<string, string>> = {
  claude: 'claude-code',
  codex: 'codex',
  gemini: 'gemini-cli',
  opencode: 'opencode',
};
const TYPED = [claude, codex, cursor, gemini, opencode, qwen];

function recordingsOf({ name }: Dialect): readonly string[] {
  const folder = FOLDERS[name];
  if (folder === undefined) return [`made/${name}`];
  return recordingsIn(folder).map((recording) => `${folder}/${recording}`);
}

/** One line of each shape: recorded lines that differ only in their values are left out. */
function shapesOf(dialect: Dialect): readonly string[] {
  const byShape = new Map<string, string>();
  for (const line of recordingsOf(dialect).flatMap((recording) => linesOf(recording))) {
    const keys = new Set<string>();
    const { type, subtype } = JSON.parse(line, (key, value) => {
      if (!/^\d+$/.test(key)) keys.add(`${key}:${typeof value}`);
      return value;
    });
    byShape.set([type, subtype, ...[...keys].sort()].join(' '), line);
  }
  return [...byShape.values()];
}

/** Properties that each line of 03 and each result relies on. */
function expectSound({ reader, outputs }: Reading): void {
  for (const output of outputs) {
    expect(OUTPUT_TYPES).toContain(output.type);
    expect(typeof output.content).toBe('string');
    for (const word of [output.toolName, output.toolUseId])
      expect(['string', 'undefined']).toContain(typeof word);
    // Every value can be serialised.
    JSON.stringify(output);
  }
  const { success, result, error, usage } = reader.verdict();
  expect([true, false, undefined]).toContain(success);
  for (const words of [result, error]) expect(words === null || typeof words === 'string').toBe(true);
  const { models = {}, ...total } = usage;
  for (const amounts of [total, ...Object.values(models)]) {
    for (const value of Object.values(amounts)) expect(value === null || Number(value) >= 0).toBe(true);
  }
}

describe.each(TYPED)('$name', (dialect) => {
  test('a line that is cut at any position is kept as output', { tags: 'full' }, () => {
    // The first 1,500 characters of a long line include every kind of token.
    for (const line of shapesOf(dialect).map((whole) => whole.trimEnd().slice(0, 1500))) {
      const reader = dialect.open();
      for (let bytes = 1; bytes < line.length; bytes++) {
        const half = line.slice(0, bytes);
        expect(reader.read(half, false)).toEqual([{ type: 'output', content: half }]);
      }
    }
  });

  test('a cut recording reads as its lines so far, then the half line', () => {
    for (const recording of recordingsOf(dialect)) {
      const lines = linesOf(recording);
      const half = (lines.at(-1) ?? '').slice(0, 40);
      const { outputs } = readLines(dialect, [...lines.slice(0, -1), half]);
      const before = readLines(dialect, lines.slice(0, -1)).outputs;
      expect(outputs).toEqual([...before, { type: 'output', content: half }]);
    }
  });

  test('a second reader returns the same outputs for the same lines', () => {
    for (const recording of recordingsOf(dialect)) {
      const [one, two] = [dialect.open(), dialect.open()];
      for (const line of linesOf(recording)) expect(two.read(line, false)).toEqual(one.read(line, false));
      expect(two.end()).toEqual(one.end());
      expect(two.verdict()).toEqual(one.verdict());
    }
  });

  test('carriage returns, byte order marks and terminal codes around a line are skipped', () => {
    const decorate = [
      (line: string) => line.replace(/\n$/, '\r\n'),
      (line: string) => `\uFEFF${line}`,
      (line: string) => `\u001b[?25h\u001b[2m${line.trimEnd()}\u001b[0m\n`,
      (line: string) => `\u001b]0;title\u0007${line}`,
    ];
    for (const recording of recordingsOf(dialect)) {
      const lines = linesOf(recording);
      const plain = readLines(dialect, lines);
      for (const decorated of decorate) {
        const { reader, outputs } = readLines(dialect, lines.map(decorated));
        expect(outputs.map(brief)).toEqual(plain.outputs.map(brief));
        expect(reader.verdict()).toEqual(plain.reader.verdict());
      }
    }
  });

  test('terminal codes in a text stay as they are', () => {
    for (const line of [
      '\u001b[31mred\u001b[0m\n',
      '\u001b[31m{"half\u001b[0m\n',
      'see {"a":1}\n',
      '\u001b[1m{}',
    ]) {
      const [output] = dialect.open().read(line, false);
      if (line.endsWith('{}')) expect(output?.type).toBe('system');
      else expect(output).toEqual({ type: 'output', content: line });
    }
  });

  test('pieces of an overlong line are output with the field partial', () => {
    const reader = dialect.open();
    const piece = '{"type":"result","status":"success","subtype":"success"}';
    expect(reader.read(piece, true)).toEqual([{ type: 'output', content: piece, more: { partial: true } }]);
    expect(reader.verdict().success).toBe(false);
  });

  test('values of the wrong type in a recorded line are no error', { tags: 'full' }, () => {
    const wrong = [null, -7, 'text', [], { a: { b: [1] } }];
    for (const line of shapesOf(dialect)) {
      for (const value of wrong) {
        for (const broken of brokenBy(JSON.parse(line), value)) expectSound(readObjects(dialect, broken));
      }
    }
  });

  test('no sequence of messages makes the reader throw', { tags: 'full' }, () => {
    const { message, value } = messages();
    fc.assert(
      fc.property(fc.array(fc.oneof(message, value), { maxLength: 12 }), (objects) =>
        expectSound(readObjects(dialect, ...objects)),
      ),
      { numRuns: 300 },
    );
  });

  test('names of Object.prototype are ordinary names', () => {
    for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
      const usage = { [name]: 1 };
      const odd = JSON.parse(`{"${name}":{"inputTokens":5,"input_tokens":5,"total_tokens":9,"costUSD":1}}`);
      for (const type of ['result', 'turn.completed', 'step_finish', name]) {
        const part = { tool: name, callID: name, state: { status: name, input: usage }, tokens: usage };
        const rest = { status: 'success', subtype: 'success', part, usage, tool_name: name, tool_id: name };
        const reading = readObjects(dialect, {
          type,
          modelUsage: odd,
          stats: { total_tokens: 9, input_tokens: 5, models: odd },
          ...rest,
        });
        expectSound(reading);
        const { models } = reading.reader.verdict().usage;
        if (models !== undefined) expect(Object.keys(models)).toEqual([name]);
      }
    }
    expect(({} as Record<string, unknown>).inputTokens).toBeUndefined();
  });

  test('deep and long lines are read', { tags: 'full' }, () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const long = 'x'.repeat(10 * 1024 * 1024);
    for (const line of deepLines(deep)) expectSound(readLines(dialect, [line]));
    for (const line of deepLines('"LONG"')) {
      // A million characters in each place, ten million in the first one.
      const each = line.startsWith('{"type":"user"') ? long : long.slice(0, 1024 * 1024);
      expectSound(readLines(dialect, [line.replaceAll('LONG', each)]));
    }
    const { outputs } = readLines(dialect, [long, `{"type":"${long}"}`, `{${long}}`, `\u001b[0m{${long}`]);
    expect(outputs.map(({ type }) => type)).toEqual(['output', 'system', 'output', 'output']);
  });
});

test('no sequence of messages makes the decision throw, and two readers decide the same', {
  tags: 'full',
}, () => {
  const { message, value } = messages();
  fc.assert(
    fc.property(fc.array(fc.oneof(message, value), { maxLength: 12 }), (objects) => {
      const one = readObjects(auto, ...objects);
      expectSound(one);
      const two = readObjects(auto, ...objects);
      expect([two.outputs, two.reader.verdict()]).toEqual([one.outputs, one.reader.verdict()]);
    }),
    { numRuns: 300 },
  );
});

test('plain text is never read as messages', () => {
  const lines = linesOf('claude-code/demo');
  const { outputs, reader } = readLines(text, lines);
  expect(outputs.map(({ content }) => content)).toEqual(lines);
  expect(reader.verdict().success).toBeUndefined();
});

const WORDS = [
  ...['type', 'subtype', 'message', 'content', 'model', 'is_error', 'result', 'modelUsage', 'errors', 'text'],
  ...[
    'session_id',
    'sessionID',
    'tool_call',
    'call_id',
    'request_id',
    'permissionMode',
    'timestamp',
    'event',
  ],
  ...['thinking', 'tool_use', 'tool_result', 'tool_use_id', 'id', 'name', 'input', 'item', 'item.started'],
  ...[
    'item.completed',
    'turn.started',
    'turn.completed',
    'turn.failed',
    'usage',
    'error',
    'exit_code',
    'status',
  ],
  ...['command_execution', 'mcp_tool_call', 'file_change', 'command', 'aggregated_output', 'init', 'role'],
  ...[
    'assistant',
    'user',
    'system',
    'delta',
    'tool_name',
    'tool_id',
    'parameters',
    'output',
    'stats',
    'models',
  ],
  ...[
    'total_tokens',
    'input_tokens',
    'success',
    'part',
    'step_start',
    'step_finish',
    'tool',
    'callID',
    'state',
  ],
  ...[
    'metadata',
    'exit',
    'tokens',
    'cache',
    'read',
    'cost',
    'reason',
    'stop',
    'reasoning',
    'data',
    '__proto__',
  ],
];

/** Objects made of the words of all dialects. */
function messages(): { message: fc.Arbitrary<unknown>; value: fc.Arbitrary<unknown> } {
  const key = fc.constantFrom(...WORDS);
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue(),
      fc.constantFrom(...WORDS),
      fc.dictionary(key, tie('any'), { maxKeys: 6, noNullPrototype: true }),
      fc.array(tie('any'), { maxLength: 4 }),
    ),
  })).any;
  const message = fc.dictionary(key, value, { maxKeys: 8, noNullPrototype: true });
  return { message, value };
}

/** Copies of the object with one value, at any depth, replaced. */
function* brokenBy(object: unknown, value: unknown): Generator<unknown> {
  if (typeof object !== 'object' || object === null) return;
  // The first items of a list represent the others.
  for (const [key, child] of Object.entries(object).slice(0, Array.isArray(object) ? 2 : undefined)) {
    const copy = (item: unknown): unknown =>
      Array.isArray(object)
        ? object.map((old, index) => (String(index) === key ? item : old))
        : { ...object, [key]: item };
    yield copy(value);
    for (const broken of brokenBy(child, value)) yield copy(broken);
  }
}

/** The value in each field that holds a text or a tool input. */
function deepLines(value: string): readonly string[] {
  return [
    `{"type":"user","message":{"content":${value}}}`,
    `{"type":"assistant","message":{"content":[{"type":"tool_use","name":"X","input":${value}}]}}`,
    `{"type":"result","subtype":"success","result":${value},"stats":${value},"modelUsage":${value}}`,
    `{"type":"item.completed","item":{"type":"command_execution","command":${value},"aggregated_output":${value}}}`,
    `{"type":"item.completed","item":{"type":"mcp_tool_call","arguments":${value},"result":{"content":${value}}}}`,
    `{"type":"turn.completed","usage":${value}}`,
    `{"type":"message","role":"assistant","delta":true,"content":${value}}`,
    `{"type":"tool_use","tool_name":"t","parameters":${value},"part":{"tool":"t","state":{"input":${value},"output":${value}}}}`,
    `{"type":"error","error":${value}}`,
  ];
}
