import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

/** The limit for an installation, in disk usage. The SDK of MCP takes 8 MiB of it. */
const INSTALLED_BYTES_MAX = 70 * 1024 * 1024;

let dir = '';
let tarball = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tasktrail-package-'));
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT });
  tarball = join(dir, (await readdir(dir)).find((name) => name.endsWith('.tgz')) ?? '');
}, 60_000);

afterAll(() => rm(dir, { recursive: true, force: true }));

async function command(name: string, ...args: readonly string[]): Promise<{ code: number; text: string }> {
  try {
    const { stdout, stderr } = await run(join(ROOT, 'node_modules', '.bin', name), args, { cwd: dir });
    return { code: 0, text: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
}

test('publint has no findings', async () => {
  const { code, text } = await command('publint', 'run', tarball, '--strict');
  expect(text).toContain('All good');
  expect(code).toBe(0);
});

test('every entry has types in each module resolution mode', async () => {
  const { code, text } = await command('attw', tarball);
  expect(text).toContain('No problems found');
  expect(code).toBe(0);
});

test('the tarball contains the program and its pages, but no build scripts', async () => {
  const { stdout } = await run('tar', ['-tzf', tarball]);
  const files = stdout.split('\n').filter((name) => name !== '');
  for (const name of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist/cli/main.js',
    'dist/schemas/step_start.json',
    'dist/page/browser/index.html',
  ])
    expect(files).toContain(`package/${name}`);
  expect(files.filter((name) => /^package\/(?:src|test|dist\/build)\//.test(name))).toEqual([]);
  // The page is bundled: its sources and source maps stay here.
  const page = files.filter((name) => name.startsWith('package/dist/page/browser/'));
  expect(
    page.filter(
      (name) => !/\/(?:index\.html|manifest\.json|assets\/[\w.-]+\.(?:js|css|svg)(?:\.gz|\.br)?)$/.test(name),
    ),
  ).toEqual([]);
  for (const ending of ['.js', '.js.br', '.js.gz', '.css', '.css.br'])
    expect(page.some((name) => name.endsWith(ending))).toBe(true);
});

describe.each(['module', 'commonjs'])('in an empty project of type %s', (type) => {
  let project = '';

  beforeAll(async () => {
    project = join(await mkdtemp(join(dir, `${type}-`)));
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type }));
    await run('npm', ['install', '--no-audit', '--no-fund', tarball, '@opentelemetry/api'], { cwd: project });
  }, 300_000);

  test('an installation takes at most 70 MiB and contains no optional package', async () => {
    const modules = join(project, 'node_modules');
    expect(await diskBytes(modules)).toBeLessThanOrEqual(INSTALLED_BYTES_MAX);
    const names = await readdir(modules);
    expect(names.filter((name) => ['express', 'bullmq', 'ioredis', '@aws-sdk'].includes(name))).toEqual([]);
  });

  test('a program records a task', async () => {
    const load =
      type === 'module'
        ? "import { startTasktrail, recordTask } from 'tasktrail'; import { receiveWebhooks } from 'tasktrail/express';"
        : "const { startTasktrail, recordTask } = require('tasktrail'); const { receiveWebhooks } = require('tasktrail/express');";
    const source = `${load}
      (async () => {
        const trail = await startTasktrail({ log: () => {} });
        const id = await recordTask({ source: 'cron', message: 'x' }, async (task) => { task.output('hello\\n'); return task.id; });
        await trail.shutdown();
        console.log(JSON.stringify({ id, type: typeof receiveWebhooks }));
      })();`;
    await writeFile(join(project, 'record.js'), source);
    const logs = join(project, 'logs');
    const env = { ...process.env, TASK_LOGS_DIR: logs, TASK_LOGS_OTLP_PORT: '0' };
    const { stdout, stderr } = await run(process.execPath, ['record.js'], { cwd: project, env });
    expect(stderr).toBe('');
    const { id, type: kind } = JSON.parse(stdout);
    expect(kind).toBe('function');
    const lines = await readFile(join(logs, id, '03-agent-output.jsonl'), 'utf8');
    expect(JSON.parse(lines.split('\n')[0] ?? '')).toMatchObject({ type: 'output', content: 'hello\n' });
  });

  test('a program asks a service with the client, which loads nothing else', async () => {
    const load =
      type === 'module'
        ? "import { createServer } from 'node:http'; import { createClient, ApiProblem } from 'tasktrail/client';"
        : "const { createServer } = require('node:http'); const { createClient, ApiProblem } = require('tasktrail/client');";
    const source = `${load}
      const server = createServer((req, res) => {
        if (req.url === '/api/tasks?limit=1') res.end('{"items":[{"task_id":"task-1"}],"next_cursor":null}');
        else res.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{"status":404,"code":"ERR_NOT_FOUND","detail":""}');
      });
      server.listen(0, '127.0.0.1', async () => {
        const client = createClient({ url: 'http://127.0.0.1:' + server.address().port });
        const ids = [];
        for await (const task of client.each.listTasks({ limit: 1 })) ids.push(task.task_id);
        const error = await client.getTask('task-2').catch((thrown) => thrown);
        console.log(ids.join(), error instanceof ApiProblem, error.code);
        server.closeAllConnections();
        server.close();
      });`;
    await writeFile(join(project, 'ask.js'), source);
    const { stdout } = await run(process.execPath, ['ask.js'], { cwd: project });
    expect(stdout).toBe('task-1 true ERR_NOT_FOUND\n');
  });

  test('the types compile with --strict', async () => {
    await writeFile(
      join(project, 'typed.ts'),
      `import { startTasktrail, recordTask, TasktrailError, type Trail } from 'tasktrail';
       import { DIALECT_NAMES } from 'tasktrail/agent';
       import { createClient, type TaskItem } from 'tasktrail/client';
       export async function firstCost(): Promise<number | null> {
         const { items } = await createClient().listTasks({ status: 'failed', cost_min: 1 });
         const [task]: readonly TaskItem[] = items;
         return task?.cost_usd ?? null;
       }
       export async function main(): Promise<string> {
         const trail: Trail = await startTasktrail();
         const text = await recordTask({ source: 'cron', message: 'x' }, async (task) => task.id);
         if (DIALECT_NAMES.length === 0) throw new TasktrailError('ERR_UNEXPECTED', 'none');
         await trail.shutdown();
         return text;
       }`,
    );
    const options = ['--strict', '--noEmit', '--ignoreConfig', '--target', 'es2023', '--types', 'node'];
    const typeRoots = ['--typeRoots', join(ROOT, 'node_modules', '@types')];
    const modules = ['--module', 'node16', '--moduleResolution', 'node16', '--skipLibCheck'];
    const { text } = await command('tsc', ...options, ...typeRoots, ...modules, join(project, 'typed.ts'));
    expect(text).toBe('');
    await writeFile(
      join(project, 'browser.ts'),
      `import { createClient } from 'tasktrail/client';
       export const client = createClient({ url: location.origin });
       export async function follow(id: string): Promise<string[]> {
         const contents: string[] = [];
         for await (const { event, data } of client.streamTask(id)) if (event === 'line') contents.push(data.content);
         return contents;
       }`,
    );
    // A page has no types of Node.
    const page = [
      '--strict',
      '--noEmit',
      '--ignoreConfig',
      '--target',
      'es2023',
      '--types',
      '',
      '--lib',
      'es2023,dom',
    ];
    const found = await command(
      'tsc',
      ...page,
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      join(project, 'browser.ts'),
    );
    expect(found.text).toBe('');
  });

  test.each([
    ['the service', ['start'], {}, 'express'],
    ['a queue in Redis', ['worker'], { REDIS_URL: 'redis://127.0.0.1:1' }, 'bullmq ioredis'],
    ['an upload to S3', ['start'], { TASK_LOGS_S3_BUCKET: 'logs' }, '@aws-sdk/client-s3'],
  ])('%s without its optional package fails with the install command', async (_, args, more, name) => {
    const env = {
      ...process.env,
      TASK_LOGS_DIR: join(project, 'held'),
      TASK_LOGS_OTLP_PORT: '0',
      PORT: '0',
      ...more,
    };
    const main = join(project, 'node_modules', 'tasktrail', 'dist', 'cli', 'main.js');
    const failed = await run(process.execPath, [main, ...args], { cwd: project, env, timeout: 20_000 }).then(
      () => undefined,
      (error: { stderr: string; code: number }) => error,
    );
    expect(failed?.stderr).toContain(`npm install`);
    expect(failed?.stderr).toContain(name);
    expect(failed?.stderr).not.toContain('    at ');
  });
});

/** Disk usage as `du` counts it, in blocks of 512 bytes. */
async function diskBytes(path: string): Promise<number> {
  const { blocks } = await stat(path);
  const entries = await readdir(path, { withFileTypes: true });
  const sizes = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? diskBytes(join(path, entry.name))
        : stat(join(path, entry.name)).then((found) => found.blocks * 512),
    ),
  );
  return blocks * 512 + sizes.reduce((sum, bytes) => sum + bytes, 0);
}

test.each(['cjs', 'esm'] as const)(
  'an app that is bundled as %s records, and reads its configuration',
  async (format) => {
    const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-bundle-'));
    try {
      const app = join(cwd, 'app.mjs');
      const lines = [
        `import { recordTask, startTasktrail } from ${JSON.stringify(join(ROOT, 'dist/index.js'))};`,
        'startTasktrail({ log: () => {} }).then(async (trail) => {',
        "  await recordTask({ message: 'hello', source: 'app', taskId: 'task-1' }, (task) => task.output('done'));",
        '  await trail.shutdown();',
        '  console.log(Object.keys(trail.config.agents).join());',
        '});',
      ];
      await writeFile(app, lines.join('\n'));
      await writeFile(
        join(cwd, 'tasktrail.config.json'),
        '{"agents": {"own": {"command": ["true"]}}, /* one */ }',
      );
      const bundle = await rolldown({ input: app, platform: 'node', logLevel: 'silent' });
      // Outside of any node_modules: what is not in the bundle is missing.
      const file = join(cwd, format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs');
      await bundle.write({ file, format, codeSplitting: false });
      await bundle.close();
      const env = { PATH: process.env.PATH, TASK_LOGS_DIR: join(cwd, 'logs'), TASK_LOGS_OTLP_PORT: '0' };
      const { stdout } = await run(process.execPath, [file], { cwd, env });
      expect(stdout).toBe('own\n');
      const result = await readFile(join(cwd, 'logs', 'task-1', '04-final-result.json'), 'utf8');
      expect(JSON.parse(result)).toMatchObject({ success: true });
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  },
  60_000,
);
