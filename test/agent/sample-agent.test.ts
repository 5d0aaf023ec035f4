import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Workshop } from './agent-run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let shop: Workshop;
let program: string;

// Compiled from the source, so that a stale dist is never what is tested.
beforeAll(async () => {
  shop = await Workshop.open();
  const source = `${ROOT}/src/agent/sample-agent.ts`;
  const options = [
    '--ignoreConfig',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
    '--skipLibCheck',
  ];
  await symlink(`${ROOT}/node_modules`, shop.path('node_modules'));
  await writeFile(shop.path('package.json'), '{"type":"module"}');
  await promisify(execFile)(
    `${ROOT}/node_modules/.bin/tsc`,
    [...options, '--outDir', shop.path('dist'), source],
    { cwd: ROOT },
  );
  program = shop.path('dist/sample-agent.js');
  await mkdir(shop.path('work'));
  await writeFile(shop.path('work/README.md'), '# A project\n');
});

afterAll(async () => {
  await shop.close();
});

test.each(['frame', 'architect', 'build', 'evaluate', 'release', 'anything'])(
  'the sample agent plays a whole run of the phase %s and says that it is a sample',
  async (phase) => {
    const { outcome, recording } = await shop.run(
      [process.execPath, program, '--phase', phase, '--step', 'one'],
      {
        dialect: 'claude',
        cwd: shop.path('work'),
        input: 'Add a button\nplease',
      },
    );
    expect(recording.outputs.map((output) => output.type)).toEqual([
      ...['system', 'thinking', 'output', 'tool_call', 'tool_result', 'output', 'result'],
    ]);
    const [, thinking, text, call, result] = recording.outputs;
    expect(thinking?.content).toMatch(/^\[sample agent\] /);
    expect(text?.content).toContain(`[sample agent, ${phase}/one] `);
    expect(call).toMatchObject({ toolName: 'Read', toolInput: { file_path: 'README.md' } });
    expect(result).toMatchObject({ toolName: 'Read', content: '# A project\n', isError: false });
    expect(outcome).toMatchObject({ success: true, error: null, model: 'tasktrail-sample-agent' });
    expect(outcome.result).toContain('[sample agent]');
    expect(outcome.result).toContain('"Add a button"');
    // 208 from the two texts (19 + 12 characters) and 200, with 2400 read from and 1200 written to the cache
    expect(outcome.usage).toMatchObject({ inputTokens: 3808, cacheReadInputTokens: 2400 });
    expect(outcome.usage.costUsd).toBeGreaterThan(0);
  },
);

test('each phase has words of its own', async () => {
  const phases = ['frame', 'architect', 'build', 'evaluate', 'release', 'anything', 'constructor'];
  const runs = await Promise.all(
    phases.map((phase) =>
      shop.run([process.execPath, program, `--phase=${phase}`], {
        dialect: 'claude',
        cwd: shop.path('work'),
      }),
    ),
  );
  const results = runs.map((run) => run.outcome.result);
  expect(new Set(results).size).toBe(6);
  expect(results[6]).toBe(results[5]);
});

test('in a directory without a readable file it lists the directory', async () => {
  await mkdir(shop.path('bare/inside'), { recursive: true });
  const { outcome, recording } = await shop.run([process.execPath, program], {
    dialect: 'claude',
    cwd: shop.path('bare'),
  });
  expect(recording.outputs[4]).toMatchObject({ type: 'tool_result', toolName: 'Bash', content: 'inside' });
  expect(outcome.success).toBe(true);
});
