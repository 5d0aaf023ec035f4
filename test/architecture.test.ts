import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

/** From the bottom up; a folder imports from lower rows only. Files at the top of `src` stand for themselves. */
const ROWS: readonly (readonly string[])[] = [
  ['errors', 'books'],
  ['config', 'model'],
  ['system'],
  ['redact'],
  ['record', 'project', 'journal'],
  ['export', 'receive', 'store', 'search', 'warehouse', 'archive', 'serve'],
  ['page', 'mcp', 'webhooks', 'queue', 'agent'],
  ['trail'],
  ['service', 'index', 'express', 'bullmq', 'agent-entry'],
  ['doctor'],
  ['cli'],
  ['build'],
];

/** Neighbours in a row that know each other on purpose. */
const NEIGHBOURS = new Set(['store -> project', 'config -> model', 'express -> index']);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  /** Loaded when it is needed, if ever. */
  readonly lazy: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(SRC, name))
  .sort();
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
const imports = files.flatMap(importsOf);

test('the sources are found, so that the rules below speak of something', () => {
  expect(files.length).toBeGreaterThan(50);
  expect(imports.length).toBeGreaterThan(100);
  expect(imports.some(({ to }) => to === '@opentelemetry/sdk-node')).toBe(true);
});

test('no folder imports from a higher one, nor from a neighbour', () => {
  const broken: string[] = [];
  for (const { from, to } of imports) {
    if (!to.startsWith(SRC)) continue;
    const [a, b] = [roomOf(from), roomOf(to)];
    if (a === b || NEIGHBOURS.has(`${a} -> ${b}`)) continue;
    if (rowOf(a) <= rowOf(b)) broken.push(`${shortOf(from)} imports ${shortOf(to)}: ${a} must not know ${b}`);
  }
  expect(broken).toEqual([]);
});

test('every folder has its place in the order', () => {
  expect(files.map(roomOf).filter((room) => rowOf(room) < 0)).toEqual([]);
});

test('no two files import each other, directly or in a circle', () => {
  const graph = new Map<string, string[]>();
  for (const { from, to } of imports)
    if (to.startsWith(SRC)) graph.set(from, [...(graph.get(from) ?? []), to]);
  expect(files.flatMap((file) => circleFrom(file, graph))).toEqual([]);
});

test('what records reaches the OpenTelemetry API and ids, never an SDK, express, bullmq or AWS', () => {
  const packages = packagesReachedFrom(files.filter((file) => ['record'].includes(roomOf(file))));
  expect([...packages].sort()).toEqual(['@opentelemetry/api', 'ulid']);
});

test('the command that emits an event reaches no SDK, express, bullmq or AWS, not even when it needs one', () => {
  const packages = packagesReachedFrom([join(SRC, 'cli', 'emit.ts')]);
  expect([...packages].filter((name) => /opentelemetry|express|bullmq|ioredis|aws-sdk/.test(name))).toEqual(
    ['@opentelemetry/api'].filter((name) => packages.has(name)),
  );
});

test('the library entries never load the NodeSDK, express, bullmq or AWS before they are needed', () => {
  for (const entry of ['index.ts', 'express.ts', 'bullmq.ts', 'agent.ts']) {
    const packages = packagesReachedFrom([join(SRC, entry)], false);
    const forbidden = [...packages].filter((name) =>
      /sdk-node|^express$|^bullmq$|^ioredis$|^@aws-sdk|instrumentation/.test(name),
    );
    expect(forbidden, entry).toEqual([]);
  }
});

test('project is pure: no clock, no randomness, no package, no part of node', () => {
  const project = files.filter((file) => roomOf(file) === 'project');
  expect([...packagesReachedFrom(project)]).toEqual([]);
  for (const file of project) {
    expect(texts.get(file), shortOf(file)).not.toMatch(
      /Date\.now|new Date\(\)|Math\.random|performance\.|process\./,
    );
  }
});

test('receive and serve never know the store', () => {
  const broken = imports.filter(
    ({ from, to }) => ['receive', 'serve'].includes(roomOf(from)) && to.startsWith(join(SRC, 'store')),
  );
  expect(broken.map(({ from }) => shortOf(from))).toEqual([]);
});

test('settings are handed in: only the app, the commands and the entries know where they come from', () => {
  const broken = imports.filter(
    ({ from, to }) =>
      /^config$/.test(to.startsWith(SRC) ? roomOf(to) : '') &&
      !['config', 'trail', 'service', 'doctor', 'cli', 'index', 'express', 'bullmq'].includes(roomOf(from)),
  );
  expect(broken.map(({ from }) => shortOf(from))).toEqual([]);
});

test('the environment is read in one place', () => {
  const readers = files.filter((file) => codeOf(file).includes('process.env'));
  expect(readers.map(shortOf)).toEqual(['config/config.ts']);
});

test('only the journal, the store and the agent write below the log directory', () => {
  const writing =
    /\b(?:writeFile|appendFile|writeSync|mkdir|mkdtemp|rename|truncate|createWriteStream)(?:Sync)?\(/;
  const writers = files.filter((file) => writing.test(codeOf(file))).map(roomOf);
  // The demo makes its directory, and the app the folder that an agent's run gets.
  expect([...new Set(writers)].sort()).toEqual([
    'agent',
    'build',
    'cli',
    'journal',
    'store',
    'system',
    'trail',
  ]);
});

test('no any, no default export, no barrel, no suppressed check', () => {
  const broken: string[] = [];
  for (const file of files) {
    const code = codeOf(file);
    for (const pattern of [
      /(?::|<|\bas) any\b/,
      /export default/,
      /export \*/,
      /@ts-ignore|@ts-expect-error|biome-ignore/,
    ]) {
      if (pattern.test(code)) broken.push(`${shortOf(file)}: ${pattern.source}`);
    }
  }
  expect(broken).toEqual([]);
});

test('a file has one noun: at most 400 lines and, outside model and the entries, 8 exports', () => {
  const long = files.filter((file) => (texts.get(file)?.split('\n').length ?? 0) > 400);
  const wide = files.filter((file) => {
    if (['model', 'errors', 'index', 'express'].includes(roomOf(file))) return false;
    return (codeOf(file).match(/^export (?!type \{|\{)/gm)?.length ?? 0) > 8;
  });
  expect([...long, ...wide].map(shortOf)).toEqual([]);
});

test('a test file stands where its source does', () => {
  const homes = new Set(files.map((file) => dirname(relative(SRC, file))));
  // What stands beside the sources has its tests, too; `system` is all of it together.
  for (const home of ['grafana', 'end-to-end']) homes.add(home);
  const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.test.ts'),
  );
  expect(tests.map((name) => dirname(name)).filter((home) => !homes.has(home))).toEqual([]);
});

test('file names say a thing of the domain', () => {
  const vague = /^(?:utils?|helpers?|common|manager|service|handler|impl|base|types)\.ts$/;
  expect(
    files.map((file) => file.slice(file.lastIndexOf('/') + 1)).filter((name) => vague.test(name)),
  ).toEqual([]);
  expect(files.map(shortOf).filter((name) => /[A-Z_]/.test(name))).toEqual([]);
});

test('the top level holds what the layout says and what tools need there', () => {
  const allowed = new Set(
    [
      'src',
      'collector',
      'test',
      'grafana',
      'docker-compose.yml',
      'package.json',
      'tsconfig.json',
      'README.md',
    ]
      .concat([
        'LICENSE',
        'CHANGELOG.md',
        'Dockerfile',
        '.dockerignore',
        'package-lock.json',
        'tsconfig.build.json',
        'biome.json',
      ])
      .concat(['vitest.config.ts', '.ci', '.git', '.gitignore', 'node_modules', 'dist', '.cache']),
  );
  expect(readdirSync(ROOT).filter((name) => !allowed.has(name))).toEqual([]);
});

function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const pattern =
    /^(?:import|export)\b(?<clause>[^'"]*?)\bfrom '(?<name>[^']+)'|^import '(?<bare>[^']+)'|\bimport\('(?<lazy>[^']+)'\)/gm;
  for (const { groups } of (texts.get(file) ?? '').matchAll(pattern)) {
    const name = groups?.name ?? groups?.bare ?? groups?.lazy ?? '';
    const to = name.startsWith('.') ? resolve(dirname(file), name) : name;
    found.push({
      from: file,
      to,
      typeOnly: /^\s*type\b/.test(groups?.clause ?? ''),
      lazy: groups?.lazy !== undefined,
    });
  }
  return found;
}

/** Everything but comments and texts. */
function codeOf(file: string): string {
  return (texts.get(file) ?? '')
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
}

function roomOf(file: string): string {
  const [first = '', ...rest] = relative(SRC, file).split('/');
  if (rest.length > 0) return first;
  return first === 'agent.ts' ? 'agent-entry' : first.replace(/\.ts$/, '');
}

function rowOf(room: string): number {
  return ROWS.findIndex((row) => row.includes(room));
}

function shortOf(file: string): string {
  return relative(SRC, file);
}

function circleFrom(file: string, graph: ReadonlyMap<string, readonly string[]>): string[] {
  const queue = (graph.get(file) ?? []).map((to) => [file, to]);
  const seen = new Set<string>();
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const last = path.at(-1) ?? '';
    if (last === file) return [path.map(shortOf).join(' -> ')];
    if (seen.has(last)) continue;
    seen.add(last);
    queue.push(...(graph.get(last) ?? []).map((to) => [...(path ?? []), to]));
  }
  return [];
}

/** Packages that are loaded with these files, over any number of our own; types alone load nothing. */
function packagesReachedFrom(starts: readonly string[], isLazyToo = true): Set<string> {
  const seen = new Set(starts);
  const packages = new Set<string>();
  const queue = [...starts];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    for (const { from, to, typeOnly, lazy } of imports) {
      if (from !== file || typeOnly || (lazy && !isLazyToo)) continue;
      if (to.startsWith('node:')) packages.add(to);
      else if (!to.startsWith(SRC))
        packages.add(
          to
            .split('/')
            .slice(0, to.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      else if (!seen.has(to)) {
        seen.add(to);
        queue.push(to);
      }
    }
  }
  return packages;
}
