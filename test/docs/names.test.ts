import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mayBeInFile, SETTING_NAMES } from '../../src/config/read-settings.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { ATTR } from '../../src/model/attributes.ts';
import { EVENT, WORKFLOW_EVENT_TYPES } from '../../src/model/events.ts';
import { ENDPOINTS } from '../../src/serve/contract/endpoints.ts';
import { isDocumentation, type Page, ROOT, readPages } from './markdown.ts';

// Every name in the documentation must exist in the program.

const pages = readPages().filter(isDocumentation);
const sources = allSources();

/** All matches of the pattern's first group, with their page and line. */
function named(pattern: RegExp, of: readonly Page[] = pages): readonly (readonly [string, string])[] {
  return of.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        [...line.matchAll(pattern)].map(([, name = '']) => [name, `${path}:${index + 1}`] as const),
      ),
  );
}

/** All texts in backticks, with their page and line. */
function spans(of: readonly Page[] = pages): readonly (readonly [string, string])[] {
  return of.flatMap(({ path, prose }) =>
    prose.split('\n').flatMap((line, index) => {
      const odd = line.split('`').filter((_, at) => at % 2 === 1);
      return odd.map((text) => [text, `${path}:${index + 1}`] as const);
    }),
  );
}

/** Texts in backticks and lines of shell blocks. */
function code(): readonly (readonly [string, string])[] {
  const shell = pages.flatMap(({ blocks }) => blocks.filter(({ language }) => language === 'sh'));
  const lines = shell.flatMap(({ page, line, text }) =>
    text.split('\n').map((one, index) => [one.replace(/ {2}#.*/, ''), `${page}:${line + index}`] as const),
  );
  return [...spans(), ...lines];
}

function unknown(
  found: readonly (readonly [string, string])[],
  isKnown: (name: string) => boolean,
): string[] {
  return found.filter(([name]) => !isKnown(name)).map(([name, where]) => `${where}: ${name}`);
}

/** Variables in the environment of agents and steps, of the AWS SDK, and of Python instrumentations. */
const VARIABLES = new Set([
  ...['TASK_LOGS_TASK_ID', 'TASK_LOGS_INPUT_FILE', 'TASK_LOGS_PHASE', 'TASK_LOGS_STEP', 'TASK_LOGS_RUN_ID'],
  ...['TASK_LOGS_WORKFLOW_ID', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'REDIS_PASSWORD'],
  'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT',
]);

test('every setting exists', () => {
  const found = named(/\b((?:TASK_LOGS|OTEL|GITHUB|JIRA|SLACK|AWS|REDIS|FRACTARY)_[A-Z0-9_]*[A-Z0-9])\b/g);
  expect(found.length).toBeGreaterThan(60);
  const isKnown = (name: string): boolean =>
    Object.hasOwn(SETTINGS, name) ||
    VARIABLES.has(name) ||
    SETTING_NAMES.some((one) => name === `${one}_FILE` && mayBeInFile(one));
  expect(unknown(found, isKnown)).toEqual([]);
});

test('every command exists, with its options', () => {
  const program = ['program', 'page-commands', 'store-commands']
    .map((name) => readFileSync(join(ROOT, `src/cli/${name}.ts`), 'utf8'))
    .join('\n');
  const emit = readFileSync(join(ROOT, 'src/cli/emit.ts'), 'utf8');
  const commands = [...program.matchAll(/\.command\('(\w+)/g)].map(([, name = '']) => name);
  expect(commands).toEqual(expect.arrayContaining(['start', 'emit', 'step']));
  const found = code().flatMap(([text, where]) =>
    [...text.matchAll(/(?<![\w./@-]|-u )tasktrail (\w+)/g)].map(([, name = '']) => [name, where] as const),
  );
  expect(found.length).toBeGreaterThan(40);
  // `tasktrail is started already` is an error message.
  expect(unknown(found, (name) => commands.includes(name) || name === 'is')).toEqual([]);
  expect(unknown(named(/tasktrail workflow (\w+)/g), (name) => commands.includes(name))).toEqual([]);
  const page = pages.filter(({ path }) => path === 'docs/cli.md');
  const flags = [...`${program}${emit}`.matchAll(/(?<![\w-])--([a-z-]+)/g)].map(([, name = '']) => name);
  const emitFlags = [...emit.matchAll(/^ {8}(\w+): \{ type/gm)].map(([, name = '']) => name);
  const isFlag = (name: string): boolean => [...flags, ...emitFlags, 'help'].includes(name);
  expect(unknown(named(/`--([a-z-]+)`/g, page), isFlag)).toEqual([]);
  const listed = page[0]?.text ?? '';
  expect(commands.filter((name) => !new RegExp(`\\b${name}\\b`).test(listed))).toEqual([]);
  // Other commands use it; `--help` does not show it either.
  const hidden = ['segments'];
  const shown = flags.filter((name) => name !== 'help' && !hidden.includes(name));
  expect(shown.filter((name) => !listed.includes(`--${name}`))).toEqual([]);
});

test('every npm script exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  const found = named(/npm (?:run )?([a-z]+(?::[a-z]+)*)/g);
  expect(found.length).toBeGreaterThan(10);
  const ofNpm = ['ci', 'install', 'pack', 'config', 'init'];
  expect(unknown(found, (name) => name in scripts || ofNpm.includes(name) || OF_EXAMPLES.has(name))).toEqual(
    [],
  );
});

/** A script in the `package.json` of an example. */
const OF_EXAMPLES = new Set(['start:sdk']);

test('every file of the repository exists', () => {
  const found = named(/(?<![\w/.-])((?:src|test|collector|grafana|docs|examples)\/[\w./-]*\w)/g);
  expect(found.length).toBeGreaterThan(50);
  expect(unknown(found, (path) => existsSync(join(ROOT, path)))).toEqual([]);
});

test('every REST path exists', () => {
  const found = named(/((?:GET|POST) \/(?:api|webhooks|healthz|readyz|metrics)[^\s`'"|)?]*)/g);
  expect(found.length).toBeGreaterThan(20);
  const known = new Set(ENDPOINTS.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, '*')}`));
  const isKnown = (route: string): boolean =>
    known.has(
      route.replaceAll(/\{[\w,<>]+\}|<\w+>/g, '*').replace(/(webhooks)\/(?:github|jira|slack)$/, '$1/*'),
    );
  expect(unknown(found, isKnown)).toEqual([]);
});

test('every error code exists, and docs/rest.md has a row for each', () => {
  const codes = [...readFileSync(join(ROOT, 'src/errors.ts'), 'utf8').matchAll(/'(ERR_[A-Z_]+)'/g)];
  const known = codes.map(([, code = '']) => code);
  expect(unknown(named(/\b(ERR_[A-Z_]+)\b/g), (code) => known.includes(code))).toEqual([]);
  const rest = pages.find(({ path }) => path === 'docs/rest.md')?.text ?? '';
  expect(known.filter((code) => !rest.includes(`\`${code}\``))).toEqual([]);
});

test('every name with the prefix tasktrail is an attribute, an event, a metric or a file', () => {
  const known = new Set<string>([
    ...Object.values(ATTR),
    ...Object.values(EVENT),
    ...WORKFLOW_EVENT_TYPES.map((type) => `tasktrail.${type}`),
  ]);
  const isFile = (name: string): boolean => /\.(?:config\.json|service|env|json)$/.test(name);
  // Rows of the tables in src/trail/metrics/process.ts have no prefix.
  const metrics = readFileSync(join(ROOT, 'src/trail/metrics/process.ts'), 'utf8');
  const isMetric = (name: string): boolean =>
    sources.includes(`'${name}'`) || metrics.includes(`'${name.slice('tasktrail.'.length)}'`);
  const found = named(/`(tasktrail\.[a-z_.]+[a-z])`/g);
  expect(found.length).toBeGreaterThan(10);
  expect(unknown(found, (name) => known.has(name) || isFile(name) || isMetric(name))).toEqual([]);
});

test('the program has every message that docs/troubleshooting.md quotes', () => {
  const page = pages.filter(({ path }) => path === 'docs/troubleshooting.md');
  const messages = spans(page).filter(
    ([text]) => / /.test(text) && !/^(?:tasktrail|npm|GET|await) /.test(text),
  );
  expect(messages.length).toBeGreaterThan(12);
  expect(unknown(messages, (text) => literals(text).every((piece) => sources.includes(piece)))).toEqual([]);
});

/** The fixed parts of a message. Text in angle brackets and these examples stand for inserted values. */
function literals(text: string): readonly string[] {
  const pieces = text.split(/<[^>]*>|"|\bGITHUB_WEBHOOK_SECRET\b|\bgithub\b|@agent|\blogs\b/);
  return pieces.map((piece) => piece.trim()).filter((piece) => piece.length > 5);
}

test('docs/library.md and docs/client.md document every exported value', () => {
  const textOf = (page: string): string => pages.find(({ path }) => path === `docs/${page}.md`)?.text ?? '';
  for (const entry of ['index', 'express', 'bullmq', 'agent', 'client']) {
    const text = textOf(entry === 'client' ? 'client' : 'library');
    const code = readFileSync(join(ROOT, 'src', `${entry}.ts`), 'utf8');
    const lists = [...code.matchAll(/^export \{([^}]+)\}/gm)].flatMap(([, list = '']) => list.split(','));
    const functions = [...code.matchAll(/^export (?:async )?function (\w+)/gm)].map(([, name = '']) => name);
    const values = lists
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '));
    for (const name of [...values, ...functions])
      expect.soft(text, `${entry}: ${name}`).toContain(`\`${name}\``);
  }
});

function allSources(): string {
  const folder = join(ROOT, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
}
