import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { builtUrl } from '../support/built.ts';

const run = promisify(execFile);
let cwd: string;

// Outside of this repository, so that its node_modules are not found.
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-optional-'));
});

afterEach(() => rm(cwd, { recursive: true, force: true }));

/** Loads `name` in a process of its own; gives what was loaded, or the error. */
async function load(name: string, specifier = name): Promise<Record<string, unknown>> {
  const path = join(cwd, 'script.mjs');
  await writeFile(
    path,
    `import { loadOptional } from ${JSON.stringify(builtUrl('system/optional-package.ts'))};
    const result = await loadOptional('${name}', () => import('${specifier}'), 'REDIS_URL').then(
      (value) => ({ value: value.default }),
      ({ name, code, message, cause }) => ({ name, code, message, cause: cause?.code }),
    );
    process.stdout.write(JSON.stringify(result));`,
  );
  const { stdout } = await run(process.execPath, [path], { cwd });
  return JSON.parse(stdout);
}

async function install(name: string, source: string): Promise<void> {
  const folder = join(cwd, 'node_modules', name);
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name, type: 'module', exports: './main.js' }),
  );
  await writeFile(join(folder, 'main.js'), source);
}

test('an installed package is loaded', async () => {
  await install('ioredis', "export default 'loaded';");
  expect(await load('ioredis')).toEqual({ value: 'loaded' });
});

test.each(['ioredis', '@aws-sdk/client-s3'])(
  'a missing package %s is an error with the command to run',
  async (name) => {
    const found = await load(name);
    expect(found).toMatchObject({
      name: 'TasktrailError',
      code: 'ERR_NOT_CONFIGURED',
      cause: 'ERR_MODULE_NOT_FOUND',
    });
    expect(found.message).toMatch(`REDIS_URL needs the package ${name}, which is not installed`);
    expect(found.message).toMatch(`"npm install ${name}"`);
  },
);

test('a package can be asked for before it is used', async () => {
  const path = join(cwd, 'script.mjs');
  await writeFile(
    path,
    `import { requireInstalled } from ${JSON.stringify(builtUrl('system/optional-package.ts'))};
    try { requireInstalled('no-such-package', 'REDIS_URL'); } catch ({ code, message }) { console.log(code, message); }
    requireInstalled('bullmq', 'REDIS_URL');
    console.log('found');`,
  );
  const { stdout } = await run(process.execPath, [path], { cwd });
  expect(stdout).toMatch(/^ERR_NOT_CONFIGURED REDIS_URL needs the package no-such-package/);
  expect(stdout).toMatch(/\nfound\n$/);
});

test('packages that are of use only together are installed together', async () => {
  expect((await load('bullmq')).message).toMatch('"npm install bullmq ioredis"');
});

test('a package that a module of ours imports counts as that package', async () => {
  await writeFile(join(cwd, 'ours.mjs'), "import 'ioredis';");
  expect(await load('ioredis', './ours.mjs')).toMatchObject({ code: 'ERR_NOT_CONFIGURED' });
});

test.each([
  ['a missing dependency of the package', "import 'ioredis-parser';", 'ERR_MODULE_NOT_FOUND'],
  ['a missing file of the package', "import './gone.js';", 'ERR_MODULE_NOT_FOUND'],
  ['an error thrown while it loads', "throw Object.assign(new Error('boom'), { code: 'EBOOM' });", 'EBOOM'],
])('%s passes unchanged', async (_what, source, code) => {
  await install('ioredis', source);
  const found = await load('ioredis');
  expect(found).toMatchObject({ code });
  expect(found.name).not.toBe('TasktrailError');
});
