import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPERATIONS } from '../../src/client/api/operations.ts';
import { linkPackages } from '../support/sandbox.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { readPages, wordsOf } from './markdown.ts';

const page = readPages().find(({ path }) => path === 'docs/client.md');
const examples = page?.blocks.filter(({ language }) => language === 'ts') ?? [];

/** What each example prints, in the order of the page. */
const PRINTED = [
  /^What does this project do\?\n\ntrue null\n$|^What does this project do\?\ntrue null\n$/,
  /^cost: 0\n$/,
  /^completed: 1\n$/,
  /^404 ERR_NOT_FOUND there is no final-result of task task-that-is-not-there\n$/,
];

let dir = '';
let service: ServiceProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tasktrail-client-page-'));
  await linkPackages(dir, ['tasktrail']);
  service = await ServiceProcess.start({ cwd: dir, env: { TASK_LOGS_AGENT_COMMAND: 'cat' } });
});

afterAll(async () => {
  await service?.stop();
  await rm(dir, { recursive: true, force: true });
});

test('every example of docs/client.md runs, bundled for browsers, with nothing but the client in it', async () => {
  expect(examples).toHaveLength(PRINTED.length);
  for (const [index, { text }] of examples.entries()) {
    const input = join(dir, `example-${index}.ts`);
    await writeFile(input, text.replaceAll('http://127.0.0.1:8000', service.url));
    const bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
    const file = join(dir, `example-${index}.mjs`);
    const { output } = await bundle.write({ file, format: 'esm', codeSplitting: false });
    await bundle.close();
    const [{ imports, moduleIds }] = output;
    expect(imports).toEqual([]);
    expect(moduleIds.filter((id) => id !== input && !/dist\/client[./]/.test(id))).toEqual([]);
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 60_000 });
    expect(stdout).toMatch(PRINTED[index] ?? /^$/);
  }
}, 120_000);

test('docs/client.md names every method', () => {
  const words = page === undefined ? new Set<string>() : wordsOf(page);
  expect(Object.keys(OPERATIONS).filter((name) => !words.has(name))).toEqual([]);
});
