import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { SETTINGS } from '../src/config/settings.ts';
import { startTasktrail } from '../src/index.ts';

const ROOT = resolve(import.meta.dirname, '..');
const readme = await readFile(join(ROOT, 'README.md'), 'utf8');

test('the code in the README compiles against the built package, as a strict user would compile it', async () => {
  const snippets = blocks('ts');
  expect(snippets).toHaveLength(2);
  // Inside the checkout, so that express and bullmq are found; the package by its own name, as after an install.
  const dir = await mkdtemp(join(ROOT, 'node_modules', '.readme-'));
  try {
    const names = snippets.map((_, index) => `snippet-${index}.ts`);
    for (const [index, name] of names.entries()) await writeFile(join(dir, name), snippets[index] ?? '');
    await writeFile(join(dir, 'package.json'), '{"type":"module"}');
    await symlink(ROOT, join(ROOT, 'node_modules', 'tasktrail')).catch(() => undefined);
    const options = [
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--skipLibCheck',
      '--types',
      'node',
    ];
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
    const { stdout } = await promisify(execFile)(tsc, [...options, '--ignoreConfig', ...names], {
      cwd: dir,
    }).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  } finally {
    await rm(dir, { recursive: true });
    await rm(join(ROOT, 'node_modules', 'tasktrail'), { force: true });
  }
});

test('the shell manager in the README leaves what it says', async () => {
  const script = blocks('sh').find((block) => block.includes('workflow start'));
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-readme-'));
  try {
    const bin = join(dir, 'bin');
    await mkdir(bin);
    // `npx tasktrail` of this checkout, wherever the script runs.
    const command = `#!/bin/sh\nshift\nexec ${process.execPath} ${join(ROOT, 'dist', 'cli', 'main.js')} "$@"\n`;
    await writeFile(join(bin, 'npx'), command, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, TASK_LOGS_DIR: join(dir, 'logs') };
    const { stdout } = await promisify(execFile)('bash', ['-euc', script ?? ''], { cwd: dir, env });
    expect(stdout).toContain('decision_point');
    const store = await startTasktrail({ env: { ...env, TASK_LOGS_OTLP_PORT: '0' }, cwd: dir });
    try {
      await store.recovered;
      const { items } = await store.reader.listWorkflows({ limit: 5 });
      const flags = Object.entries(items[0]?.completeness ?? {}).filter(([, raised]) => raised);
      expect([items.length, items[0]?.name, items[0]?.work_item_id, items[0]?.status, flags]).toEqual([
        ...[1, 'faber', '199', 'success', []],
      ]);
      const found = await store.reader.readWorkflow(String(items[0]?.workflow_id));
      expect(found?.events.map((event) => event.event_type)).toEqual([
        ...['workflow_start', 'phase_start', 'step_start', 'artifact_create', 'step_complete'],
        ...['phase_complete', 'phase_start', 'step_start', 'step_complete', 'decision_point'],
        ...['phase_complete', 'workflow_complete'],
      ]);
    } finally {
      await store.shutdown();
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('every npm command that the README names exists', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const named = [...readme.matchAll(/npm (?:run )?([a-z]+)/g)]
    .map(([, name]) => name ?? '')
    .filter((name) => !['ci', 'install'].includes(name));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test('every setting that the README names is one that the program reads', () => {
  const table = readme.slice(readme.indexOf('## Commands and settings'), readme.indexOf('## Guarantees'));
  const named = [...table.matchAll(/`((?:TASK_LOGS|GITHUB)_[A-Z_]+)`/g)].map(([, name]) => name ?? '');
  expect(named.filter((name) => !Object.hasOwn(SETTINGS, name))).toEqual([]);
});

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text]) => text ?? '',
  );
}
