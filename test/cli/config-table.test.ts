import { expect, test } from 'vitest';
import { configTable } from '../../src/cli/config-table.ts';
import type { SettingInForce } from '../../src/config/in-force.ts';

type Row = Omit<SettingInForce, 'isSecret'>;

const ROW: Row = { name: 'PORT', group: 'HTTP', value: 8000, source: 'default' };

function linesOf(rows: readonly Partial<Row>[], width = 40): readonly string[] {
  const all = rows.map((row) => ({ ...ROW, ...row }));
  return configTable(all, { width, paint: (text) => text, cwd: '/home/me' })
    .trimEnd()
    .split('\n');
}

test('each group has a heading', () => {
  const rows = [
    { value: 1 },
    { name: 'HOST', value: '::1' },
    { name: 'ORG', group: 'S3', value: null },
  ] as const;
  expect(linesOf(rows)).toEqual([
    'HTTP',
    `  PORT  1${' '.repeat(24)}default`,
    `  HOST  ::1${' '.repeat(22)}default`,
    'S3',
    `  ORG   (not set)${' '.repeat(16)}default`,
  ]);
});

test('a long value goes on in the next line, broken behind a separator where there is one', () => {
  expect(linesOf([{ value: 'http://localhost:16686/trace/{trace_id}?a=b' }]).slice(1)).toEqual([
    '  PORT  http://localhost:16686/  default',
    '        trace/{trace_id}?a=b',
  ]);
  expect(linesOf([{ value: 'x'.repeat(30) }]).slice(1)).toEqual([
    `  PORT  ${'x'.repeat(23)}  default`,
    `        ${'x'.repeat(7)}`,
  ]);
});

test('wide characters count as the two columns that they take', () => {
  const [, first = '', second = ''] = linesOf([{ value: '\u4e2d'.repeat(12) }]);
  expect(first).toBe(`  PORT  ${'\u4e2d'.repeat(11)}   default`);
  expect(second).toBe('        \u4e2d');
});

test('control characters of a value do not reach the terminal', () => {
  expect(linesOf([{ value: 'a\u001b[2Jb\nc' }])[1]).toContain('a\\x1b[2Jb\\x0ac');
});

test.each<[Partial<Row>, string]>([
  [{ source: 'flag', flag: '--port' }, 'flag --port'],
  [{ source: 'flag' }, 'flag'],
  [{ source: 'environment' }, 'environment'],
  [{ source: 'env file', path: '/home/me/.env' }, '.env'],
  [{ source: 'file', path: '/home/me/sub/c.json' }, 'sub/c.json'],
  [{ source: 'file', path: '/etc/c.json' }, '/etc/c.json'],
  [{ source: 'default' }, 'default'],
  [{ source: 'default', from: 'HOST' }, 'HOST'],
])('the source %j is written as %s', (row, expected) => {
  expect(linesOf([row], 80)[1]?.split(/ {2,}/).at(-1)).toBe(expected);
});

test.each<[Partial<Row>, string]>([
  [{ value: [] }, '(not set)'],
  [{ value: ['http://a/{trace_id}?b', 'http://c'] }, 'http://a/{trace_id}?b http://c'],
  [{ name: 'TASK_LOGS_AGENT_COMMAND', value: ['sh', '-c', 'a b'] }, "sh -c 'a b'"],
  [
    { value: { command: ['sh', '-c', 'a b'], telemetry: true, cwd: undefined } },
    "command: sh -c 'a b'; telemetry: true",
  ],
  [{ value: { phases: [{ name: 'a', steps: ['b'] }] } }, 'phases: [{"name":"a","steps":["b"]}]'],
])('the value %j is written as %s', (row, expected) => {
  expect(linesOf([row], 120)[1]).toContain(`  ${expected}  `);
});
