import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { evaluate, parse } from '@humanwhocodes/momoa';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { isJsonObject } from '../../src/model/json.ts';
import { checkAgents } from '../../src/service/commands.ts';
import { checkWebhooks } from '../../src/service/webhooks/webhook-senders.ts';
import { linkPackages } from '../support/sandbox.ts';
import { type Block, isDocumentation, ROOT, readPages } from './markdown.ts';

const pages = readPages();
const blocks = pages.flatMap((page) => page.blocks);
const documented = pages.filter(isDocumentation).flatMap((page) => page.blocks);

const CONFIG_KEYS = new Set(['trigger', 'agents', 'commands', 'webhooks', 'logging', 'types']);

function at({ page, line }: Block): string {
  return `${page}:${line}`;
}

test('every block has a language that the tests support', () => {
  const known = ['sh', 'ts', 'json', 'python', 'nginx', 'text'];
  const others = documented.filter(({ language }) => !known.includes(language));
  expect(others.map((block) => `${at(block)}: ${block.language}`)).toEqual([]);
});

test('a shell block runs in test/docs/shell.full.test.ts, or a comment gives the reason and names the other test', () => {
  const notes = documented.filter(({ language, note }) => language === 'sh' && note !== undefined);
  expect(notes.length).toBeGreaterThan(5);
  const wrong = notes.flatMap((block) => {
    const [, reason = ''] = /^not run(?: here)?: (.{15,})$/.exec(block.note ?? '') ?? [];
    if (reason === '') return [`${at(block)}: ${block.note}`];
    const named = [...reason.matchAll(/test\/[\w./-]*\w/g)].map(([path]) => path);
    return named
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${at(block)}: there is no ${path}`);
  });
  expect(wrong).toEqual([]);
});

test('all shell blocks are valid shell syntax', async () => {
  const others = blocks.filter(({ language }) => language === 'sh');
  for (const block of others) {
    const text = block.text.replaceAll(/<[a-z][a-z ]*>/g, 'x');
    await expect.soft(promisify(execFile)('sh', ['-n', '-c', text]), at(block)).resolves.toBeDefined();
  }
});

test('every JSON block is valid JSON, and every configuration is accepted', async () => {
  const found = blocks.filter(({ language }) => language === 'json');
  expect(found.length).toBeGreaterThan(3);
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-blocks-'));
  let configurations = 0;
  try {
    for (const block of found) {
      const read = (): unknown => evaluate(parse(block.text, { mode: 'jsonc', allowTrailingCommas: true }));
      expect.soft(read, at(block)).not.toThrow();
      const value = read();
      if (!isJsonObject(value) || !Object.keys(value).every((key) => CONFIG_KEYS.has(key))) continue;
      configurations += 1;
      await writeFile(join(dir, 'tasktrail.config.json'), block.text);
      const names = [...block.text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => [
        name,
        'a secret of the tests',
      ]);
      const env = { ...Object.fromEntries(names), ORG: 'acme', PROJECT: 'app' };
      const check = (): void => {
        const config = loadConfig({ env, cwd: dir });
        checkAgents(config);
        checkWebhooks(config);
      };
      expect.soft(check, at(block)).not.toThrow();
    }
  } finally {
    await rm(dir, { recursive: true });
  }
  expect(configurations).toBeGreaterThan(2);
});

test('the TypeScript blocks compile against the built package with --strict', {
  tags: 'full',
}, async () => {
  const snippets = blocks.filter(({ language }) => language === 'ts');
  expect(snippets.length).toBeGreaterThan(4);
  // Outside the checkout, with packages in node_modules, so that `tasktrail` resolves by name.
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-snippets-'));
  try {
    const scoped = await readdir(join(ROOT, 'node_modules', '@opentelemetry'));
    const types = await readdir(join(ROOT, 'node_modules', '@types'));
    const names = [
      'tasktrail',
      'express',
      'bullmq',
      'ioredis',
      'standardwebhooks',
      ...types.map((name) => `@types/${name}`),
    ];
    await linkPackages(dir, [...names, ...scoped.map((name) => `@opentelemetry/${name}`)]);
    const files = snippets.map((block, index) => [`snippet-${index}.ts`, block] as const);
    for (const [name, { text }] of files) await writeFile(join(dir, name), text);
    await writeFile(join(dir, 'package.json'), '{"type":"module"}');
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
    const args = [...options, '--types', 'node', '--ignoreConfig', ...files.map(([name]) => name)];
    const { stdout } = await promisify(execFile)(tsc, args, { cwd: dir }).catch(
      (error: { stdout: string }) => error,
    );
    const named = files.reduce((text, [name, block]) => text.replaceAll(name, at(block)), stdout);
    expect(named).toBe('');
  } finally {
    await rm(dir, { recursive: true });
  }
});
