import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { House, roomOf } from './support/house.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Layers from bottom to top. A folder may import from lower rows only. */
const ROWS: readonly (readonly string[])[] = [
  ['errors', 'books', 'client'],
  ['config', 'model'],
  ['system'],
  ['redact'],
  ['record', 'project', 'journal', 'compare'],
  ['export', 'receive', 'store', 'search', 'archive', 'notify', 'serve'],
  ['warehouse'],
  ['page', 'mcp', 'webhooks', 'queue', 'agent', 'move'],
  ['trail'],
  ['service', 'index', 'express', 'bullmq', 'agent-entry'],
  ['doctor'],
  ['cli'],
  ['build'],
];

/** Allowed imports within a row. */
const NEIGHBOURS = new Set(['config -> model', 'store -> project', 'express -> index']);

const ENTRIES = ['index.ts', 'express.ts', 'bullmq.ts', 'agent.ts', 'client.ts'];

/** Folders with more than fifteen files, with the reason. */
const LARGE_FOLDERS: Readonly<Record<string, string>> = {
  agent: 'an agent run has a process, files and output; only the dialects form a group of their own',
  cli: 'one file per command',
  doctor: 'one file per check',
  journal: 'one file per side of a segment: its name, its lines, its counts, its reader, its writer',
  model: 'one file per kind of document',
  'queue/bullmq': 'one file per part of the protocol with Redis',
  redact: 'one file per way in which a secret is written',
  serve: 'one file per group of routes',
};

/** Folders whose files are named after another part of the program, so their names may repeat. */
const NAMED_AFTER: Readonly<Record<string, string>> = {
  cli: 'the command',
  config: 'the configured part',
  doctor: 'the checked part',
  model: 'the noun of other folders',
  page: 'what is shown',
  serve: 'the path of the route',
};

/** Repeated file names outside those folders, with the reason. */
const TWICE: Readonly<Record<string, string>> = {
  'log-record.ts': 'the same record at two stages: receive and project',
  'lock.ts': 'the mechanism in system, and the lock of the log directory in store',
  'span.ts': 'the same span at two stages: receive and project',
};

/** Calls that follow a link or leave the mode to the umask. */
const RAW_CALLS =
  /^(?:open|readFile|writeFile|appendFile|mkdir|copyFile|truncate|utimes|chmod|chown|cp|symlink)(?:Sync)?$|^create(?:Read|Write)Stream$/;

/** What writes below the log directory; the parts above it use these. */
const WRITERS = /^(?:system|journal|store|move|search|queue|archive|notify|agent)\/|^cli\/workflow\//;

/** Raw calls in these, with the reason. */
const RAW_ALLOWED: Readonly<Record<string, string>> = {
  'agent/account.ts': '/etc/passwd',
  'agent/agent-place.ts': 'a folder for another user, outside the log directory; no link is followed',
  'agent/child.ts': 'the exit file, which the agent may have touched; no link is followed',
  'agent/left-records.ts': 'reads what an agent has left; no link is followed',
  'agent/run-cgroup.ts': '/sys/fs/cgroup',
  'agent/run-mark.ts': 'copyFileSync with COPYFILE_EXCL: the copy is new and has the mode of the original',
  'agent/sample/scratch-folder.ts': 'a folder of its own in the temporary directory',
  'store/stored-file.ts': 'reads without following a link; what is no regular file counts as missing',
  'store/private-directory.ts': 'the mode of the log directory itself',
  'system/descriptor.ts': 'opens a directory to sync it',
  'system/files/private-files.ts': 'mkdir and chmod of a folder that is never shared',
  'system/files/safe-open.ts': 'opens all other files',
  'system/files/make-directory.ts': 'mkdir with the mode',
  'system/process-table.ts': '/proc',
  'system/version.ts': 'a file of the package',
};

/** A name of what only one party is to know. Tokens of locks are none: they stand in a file that all may read. */
const SECRET = String.raw`[\w.?#]*(?:[sS]ecret|[sS]ignature|[pP]assword|[hH]mac|[aA]piToken|\b[mM]ac)`;

/** Comparisons that end at the first different character. */
const EARLY_ENDS: readonly RegExp[] = [
  new RegExp(
    String.raw`(?<!typeof )(?<![\w.?#])(?!\w*\.?is[A-Z])${SECRET}\s*[!=]==?(?!=|\s*(?:undefined|null|true|false|''))`,
    'g',
  ),
  new RegExp(String.raw`[!=]==?\s*${SECRET}\b(?![.(\w?])`, 'g'),
  /\.digest\([^)]*\)(?:\.\w+\([^)]*\))*\s*[!=]==?|[!=]==?\s*(?:createHmac|macOf\w*)\(/g,
  /\b(?:secrets|signatures|macs|passwords)\.(?:includes|indexOf)\(/g,
  new RegExp(String.raw`${SECRET}\.(?:equals|compare|localeCompare)\(`, 'g'),
];

/** Such comparisons in these, with the reason. */
const EARLY_ENDS_ALLOWED: Readonly<Record<string, string>> = {
  'model/secret.ts': 'the form of a secret in the configuration; timingSafeEqual for all else',
};

interface Rule {
  readonly sentence: string;
  /** One line per violation. */
  broken(house: House): readonly string[];
  /** Sources that violate the rule, to show that the rule detects violations. */
  readonly breach: Readonly<Record<string, string>>;
}

const RULES: readonly Rule[] = [
  {
    sentence: 'every folder has a place in the layers',
    broken: ({ files }) => files.filter((file) => rowOf(roomOf(file)) < 0),
    breach: { 'utils/x.ts': '' },
  },
  {
    sentence: 'no folder imports from a higher layer or from a neighbour',
    broken: ({ imports }) =>
      imports.flatMap(({ from, to, isOwn }) => {
        const [a, b] = [roomOf(from), roomOf(to)];
        if (!isOwn || a === b || NEIGHBOURS.has(`${a} -> ${b}`) || rowOf(a) > rowOf(b)) return [];
        return [`${from} imports ${to}: ${a} must not import from ${b}`];
      }),
    breach: { 'store/x.ts': "import { y } from '../serve/y.ts';", 'serve/y.ts': '' },
  },
  {
    sentence: 'files below the log directory are made and opened by system/files and what is built on it',
    broken: (house) =>
      house.files
        .filter((file) => WRITERS.test(file) && RAW_ALLOWED[file] === undefined)
        .flatMap((file) => rawCallsOf(house.text(file)).map((name) => `${file} uses ${name} of node:fs`)),
    breach: { 'store/x.ts': "import { type Stats, writeFile as put } from 'node:fs/promises';" },
  },
  {
    sentence: 'secrets, signatures and their digests are compared by timingSafeEqual',
    broken: (house) =>
      house.files
        .filter((file) => EARLY_ENDS_ALLOWED[file] === undefined)
        .flatMap((file) =>
          EARLY_ENDS.flatMap((pattern) => house.code(file).match(pattern) ?? []).map(
            (found) => `${file}: ${found.trim()}`,
          ),
        ),
    breach: { 'receive/x.ts': 'export const isIt = (given: string, secret: string) => given === secret;' },
  },
  {
    sentence: 'there are no import cycles',
    broken: (house) => house.files.flatMap((file) => circleFrom(file, house)),
    breach: { 'model/a.ts': "import type { B } from './b.ts';", 'model/b.ts': "import { a } from './a.ts';" },
  },
  {
    sentence: 'store/read and store/write never import each other, directly or transitively',
    broken: (house) => [
      ...crossing(house, 'store/read/', 'store/write/'),
      ...crossing(house, 'store/write/', 'store/read/'),
      ...house.imports
        .filter(({ from, to }) => /^store\/[^/]+$/.test(from) && /^store\/(?:read|write|keep)\//.test(to))
        .map(
          ({ from, to }) => `${from} imports ${to}: shared files of store must not import from its folders`,
        ),
    ],
    breach: {
      'store/read/a.ts': "import { b } from '../b.ts';",
      'store/b.ts': "import { c } from './write/c.ts';",
      'store/write/c.ts': '',
    },
  },
  {
    sentence: 'a library entry never reaches service, doctor or cli',
    broken: (house) =>
      ENTRIES.flatMap((entry) =>
        [...house.reachedFrom([entry], { lazyToo: true }).files]
          .filter((file) => ['service', 'doctor', 'cli', 'build'].includes(roomOf(file)))
          .map((file) => `${entry} reaches ${file}`),
      ),
    breach: {
      'index.ts': "import { a } from './trail/a.ts';",
      'trail/a.ts': "await import('../doctor/b.ts');",
      'doctor/b.ts': '',
    },
  },
  {
    sentence: 'warehouse shares what store makes of records, and never reaches a file of the disk',
    broken: (house) => {
      const own = house.files.filter((file) => roomOf(file) === 'warehouse');
      return [...house.reachedFrom(own, { lazyToo: true }).packages].filter((name) => /^node:fs/.test(name));
    },
    breach: {
      'warehouse/x.ts': "import { y } from '../store/write/y.ts';",
      'store/write/y.ts': "import { lstat } from 'node:fs/promises';",
    },
  },
  {
    sentence:
      'receive, serve and mcp declare the interfaces they need and never import store, search or warehouse',
    broken: ({ imports }) =>
      imports
        .filter(
          ({ from, to, isOwn }) =>
            isOwn &&
            ['receive', 'serve', 'mcp'].includes(roomOf(from)) &&
            ['store', 'search', 'warehouse'].includes(roomOf(to)),
        )
        .map(({ from, to }) => `${from} imports ${to}`),
    breach: {
      'serve/x.ts': "import type { Store } from '../store/write/store.ts';",
      'store/write/store.ts': '',
    },
  },
  {
    sentence: 'client reaches nothing but its own files: it runs in browsers',
    broken: (house) => {
      const { files, packages } = house.reachedFrom(['client.ts'], { lazyToo: true });
      return [...[...files].filter((file) => roomOf(file) !== 'client'), ...packages];
    },
    breach: { 'client.ts': "import { request } from 'node:http';" },
  },
  {
    sentence: 'record loads the OpenTelemetry API and ulid, never an SDK, express, bullmq or AWS',
    broken: (house) => {
      const record = house.files.filter((file) => roomOf(file) === 'record');
      return [...house.reachedFrom(record, { lazyToo: true }).packages].filter(
        (name) => !['@opentelemetry/api', 'ulid', 'node:crypto'].includes(name),
      );
    },
    breach: { 'record/task/x.ts': "import { logs } from '@opentelemetry/sdk-logs';" },
  },
  {
    sentence: 'cli/emit never loads an SDK, express, bullmq or AWS, not even with a dynamic import',
    broken: (house) =>
      [...house.reachedFrom(['cli/emit.ts'], { lazyToo: true }).packages].filter(
        (name) => /opentelemetry|express|bullmq|ioredis|aws-sdk/.test(name) && name !== '@opentelemetry/api',
      ),
    breach: { 'cli/emit.ts': "const { Queue } = await import('bullmq');" },
  },
  {
    sentence:
      'express, bullmq, ioredis, AWS, SQLite, the SDK of MCP and parsers of markup are loaded on first use, with a dynamic import',
    broken: (house) =>
      [...house.reachedFrom([...ENTRIES, 'cli/main.ts'], { lazyToo: false }).packages].filter((name) =>
        /^(?:express|bullmq|ioredis|@aws-sdk\/.*|@modelcontextprotocol\/.*|node:sqlite|node-sqlite3.*|markdown-it|parse5)$/.test(
          name,
        ),
      ),
    breach: {
      'bullmq.ts': "import { Worker } from './queue/x.ts';",
      'queue/x.ts': "import { Worker } from 'bullmq';",
    },
  },
  {
    sentence: 'the library entries load no NodeSDK at import',
    broken: (house) =>
      ENTRIES.flatMap((entry) =>
        [...house.reachedFrom([entry], { lazyToo: false }).packages].filter((name) =>
          /sdk-node|instrumentation/.test(name),
        ),
      ),
    breach: { 'express.ts': "import { NodeSDK } from '@opentelemetry/sdk-node';" },
  },
  {
    sentence: 'project is pure: no clock, no randomness, no packages, no Node built-ins',
    broken: (house) => {
      const project = house.files.filter((file) => roomOf(file) === 'project');
      const impure = /Date\.now|new Date\(\)|Math\.random|performance\.|process\./;
      return [
        ...house.reachedFrom(project, { lazyToo: true }).packages,
        ...project.filter((file) => impure.test(house.code(file))),
      ];
    },
    breach: { 'project/x.ts': 'export const now = Date.now();' },
  },
  {
    sentence:
      'only trail, service, doctor, cli, build and the entries import config; other folders get options',
    broken: ({ imports }) =>
      imports
        .filter(({ from, to, isOwn }) => {
          const mayKnow = [
            'config',
            'trail',
            'service',
            'doctor',
            'cli',
            'build',
            'index',
            'express',
            'bullmq',
          ];
          return isOwn && roomOf(to) === 'config' && !mayKnow.includes(roomOf(from));
        })
        .map(({ from, to }) => `${from} imports ${to}`),
    breach: { 'store/x.ts': "import type { Config } from '../config/config.ts';", 'config/config.ts': '' },
  },
  {
    sentence: 'only config reads process.env',
    broken: (house) =>
      house.files.filter((file) => roomOf(file) !== 'config' && house.code(file).includes('process.env')),
    breach: { 'trail/x.ts': 'export const port = process.env.PORT;' },
  },
  {
    sentence: 'only store, move, journal and agent write below the log directory',
    broken: (house) => {
      const writing =
        /\b(?:writeFile|appendFile|writeSync|mkdir|mkdtemp|rename|truncate|createWriteStream)(?:Sync)?\(/;
      // system has the file functions; the commands create their own directories, trail the directory of an agent run.
      const mayWrite = ['store', 'move', 'journal', 'agent', 'system', 'cli', 'trail', 'build'];
      return house.files.filter((file) => writing.test(house.code(file)) && !mayWrite.includes(roomOf(file)));
    },
    breach: { 'serve/x.ts': "writeFileSync('metadata.json', '{}');" },
  },
  {
    sentence: 'only system sends signals and reads /proc',
    broken: (house) =>
      house.files.filter(
        (file) =>
          roomOf(file) !== 'system' &&
          /process\.kill\((?!process\.pid)|`\/proc\/\$|'\/proc'/.test(house.text(file)),
      ),
    breach: { 'cli/x.ts': "process.kill(pid, 'SIGTERM');" },
  },
  {
    sentence: 'there is no any, no default export, no export *, no suppressed check',
    broken: (house) =>
      house.files.flatMap((file) => {
        const patterns = [/(?::|<|\bas) any\b/, /export default/, /export \*/];
        const suppressed = /@ts-ignore|@ts-expect-error|biome-ignore/;
        const found = patterns.filter((pattern) => pattern.test(house.code(file)));
        if (suppressed.test(house.text(file))) found.push(suppressed);
        return found.map((pattern) => `${file}: ${pattern.source}`);
      }),
    breach: { 'model/x.ts': '// biome-ignore lint: no reason' },
  },
  {
    sentence: 'a file has at most 400 lines and, outside model and the entries, at most 8 exports',
    broken: (house) => [
      ...house.files.filter((file) => house.text(file).split('\n').length > 400 && !isMade(house.text(file))),
      ...house.files.filter((file) => {
        if (['model', 'errors', 'index', 'express'].includes(roomOf(file))) return false;
        return (house.code(file).match(/^export (?!type \{|\{)/gm)?.length ?? 0) > 8;
      }),
    ],
    breach: { 'store/x.ts': '\n'.repeat(401) },
  },
  {
    sentence: 'a folder has at most fifteen files, or a reason',
    broken: ({ files }) =>
      [...countBy(files, (file) => dirname(file))]
        .filter(([folder, count]) => count > 15 && LARGE_FOLDERS[folder] === undefined)
        .map(([folder, count]) => `${folder} has ${count} files`),
    breach: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`receive/${index}.ts`, ''])),
  },
  {
    sentence: 'no two files share a name without a reason',
    broken: ({ files }) =>
      [...countBy(files.filter(isNamedByItself), (file) => basename(file))]
        .filter(([name, count]) => count > 1 && TWICE[name] === undefined)
        .map(([name]) => `${name}: ${files.filter((file) => basename(file) === name).join(', ')}`),
    breach: { 'store/write/queue.ts': '', 'webhooks/queue.ts': '' },
  },
  {
    sentence: 'file names are words of the domain in kebab case',
    broken: ({ files }) => {
      const vague = /^(?:utils?|helpers?|common|manager|service|handler|impl|base|types|misc)\.ts$/;
      return files.filter((file) => vague.test(basename(file)) || /[A-Z_]/.test(file));
    },
    breach: { 'store/utils.ts': '' },
  },
];

const HOUSE = House.ofSources();

test('the sources and their imports are found, so that the rules do not pass on an empty set', () => {
  expect(HOUSE.files.length).toBeGreaterThan(200);
  expect(HOUSE.imports.length).toBeGreaterThan(1_000);
  expect(HOUSE.imports.some(({ to }) => to === '@opentelemetry/sdk-metrics')).toBe(true);
  expect(HOUSE.imports.some(({ to, isLazy }) => to === 'bullmq' && isLazy)).toBe(true);
});

test.each(RULES.map((rule) => [rule.sentence, rule] as const))('%s', (_, { broken, breach }) => {
  expect(broken(HOUSE)).toEqual([]);
  expect(broken(new House(breach))).not.toEqual([]);
});

test('the lists of exceptions contain no obsolete entries', () => {
  const counts = countBy(HOUSE.files, (file) => dirname(file));
  expect(Object.keys(LARGE_FOLDERS).filter((folder) => (counts.get(folder) ?? 0) <= 15)).toEqual([]);
  const names = countBy(HOUSE.files.filter(isNamedByItself), (file) => basename(file));
  expect(Object.keys(TWICE).filter((name) => (names.get(name) ?? 0) < 2)).toEqual([]);
});

test.each([
  'if (signature === given) return;',
  'return given !== options.secret;',
  "createHmac('sha256', key).update(text).digest('hex') === given",
  'given === createHmac(algorithm, key)',
  'if (config.apiToken == token) return true;',
  'this.#secrets.includes(given); secrets.includes(given)',
  'signature.equals(given)',
  'record.mac !== macOf(key, text)',
])('a comparison that ends early is found: %s', (line) => {
  const found = EARLY_ENDS.flatMap(
    (pattern) => new House({ 'x.ts': line }).code('x.ts').match(pattern) ?? [],
  );
  expect(found).not.toEqual([]);
});

test.each([
  'if (secret === undefined || typeof mac !== "string") return;',
  "typeof signature === 'string'",
  'digest.length === given.length && timingSafeEqual(digest, given)',
  'if (found.token !== record.token) return;',
  'secrets.length === 0',
])('what is no comparison of secrets is left alone: %s', (line) => {
  const found = EARLY_ENDS.flatMap(
    (pattern) => new House({ 'x.ts': line }).code('x.ts').match(pattern) ?? [],
  );
  expect(found).toEqual([]);
});

test('the folders of test mirror the folders of src', () => {
  const homes = new Set(HOUSE.files.map((file) => dirname(file)));
  // Tests of the collector's and Grafana's files, of the whole system, of the pages, of the examples, in a browser, and the storm.
  for (const home of ['collector', 'grafana', 'end-to-end', 'docs', 'examples', 'page/browser'])
    homes.add(home);
  for (const home of ['storm', 'storm/check', 'storm/parts']) homes.add(home);
  const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.test.ts'),
  );
  expect(tests.length).toBeGreaterThan(100);
  expect(tests.filter((name) => !homes.has(dirname(name)))).toEqual([]);
});

test('the top level contains only the files and folders of the layout', () => {
  const layout = ['src', 'collector', 'test', 'grafana', 'docs', 'examples'];
  const pages = ['README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];
  const tools = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'biome.json'];
  const more = [
    'vite.config.ts',
    'vitest.config.ts',
    'Dockerfile',
    '.dockerignore',
    'docker-compose.yml',
    '.gitignore',
    '.ci',
  ];
  const made = ['.git', 'node_modules', 'dist', '.cache', '.env'];
  const allowed = new Set([...layout, ...pages, ...tools, ...more, ...made]);
  expect(readdirSync(ROOT).filter((name) => !allowed.has(name))).toEqual([]);
});

function rowOf(room: string): number {
  return ROWS.findIndex((row) => row.includes(room));
}

/** Made by a program, from definitions that are files of their own. */
function isMade(text: string): boolean {
  return text.startsWith('// Made by ');
}

function isNamedByItself(file: string): boolean {
  return dirname(file) !== '.' && NAMED_AFTER[roomOf(file)] === undefined;
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function crossing(house: House, side: string, other: string): string[] {
  const files = house.files.filter((file) => file.startsWith(side));
  return files.flatMap((file) =>
    [...house.reachedFrom([file], { lazyToo: true }).files]
      .filter((reached) => reached.startsWith(other))
      .map((reached) => `${file} reaches ${reached}`),
  );
}

function circleFrom(file: string, { imports }: House): string[] {
  const importsOf = (from: string): string[] =>
    imports.filter((one) => one.isOwn && one.from === from).map(({ to }) => to);
  const queue = importsOf(file).map((to) => [file, to]);
  const seen = new Set<string>();
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const last = path.at(-1) ?? '';
    if (last === file) return [path.join(' -> ')];
    if (seen.has(last)) continue;
    seen.add(last);
    queue.push(...importsOf(last).map((to) => [...(path ?? []), to]));
  }
  return [];
}

test('every exception for raw file calls is still needed', () => {
  const house = House.ofSources();
  for (const file of Object.keys(RAW_ALLOWED)) expect(rawCallsOf(house.text(file)), file).not.toEqual([]);
});

/** Names that a file imports from `node:fs` and that must not be called on files of the log directory. */
function rawCallsOf(text: string): readonly string[] {
  const imports = text.matchAll(/import (?:type )?([^;]*?) from 'node:fs(?:\/promises)?';/g);
  return [...imports].flatMap(([, clause = '']) =>
    clause.startsWith('{')
      ? clause
          .replace(/[{}]/g, '')
          .split(',')
          .map((name) => name.trim().split(' ')[0] ?? '')
          .filter((name) => RAW_CALLS.test(name))
      : [clause],
  );
}
