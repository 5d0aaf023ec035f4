import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emitFiles, loadEmit } from '../cli/bundled-emit.ts';

// A step of the build: makes one file of `emit` and of everything that it imports, and runs it once, so that V8 can keep
// what it compiles. The hundred small files that it is made of take longer to load than the event takes to record.

const PAYLOAD = '{"phase":"a","step":{"name":"b","status":"success"}}';

const [, self = '', step] = process.argv;
if (step === 'run') await run();
else await make();

async function make(): Promise<void> {
  const { code, cache } = emitFiles();
  const place = (name: string): string => fileURLToPath(new URL(`../cli/${name}`, import.meta.url));
  // V8 knows a cache by little more than the length of its code: an older one must not stand beside a new file.
  writeFileSync(cache, '');
  const { build } = await import('rolldown');
  await build({
    input: place('emit.js'),
    platform: 'node',
    // Of a package that has both, the form that can be taken apart.
    resolve: { mainFields: ['module', 'main'] },
    output: { file: code, format: 'cjs', minify: true, dynamicImportInCjs: false },
    logLevel: 'warn',
  });
  const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-build-'));
  try {
    // Without this machine's settings: nothing of this is to be sent anywhere.
    const { status } = spawnSync(process.execPath, [self, 'run'], {
      cwd,
      env: { TASK_LOGS_DIR: cwd },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new TypeError(`the bundled emit ended with ${status}`);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
  copyFileSync(place('bundled-emit.js'), place('emit.js'));
}

async function run(): Promise<void> {
  const { emit, compiled } = loadEmit(emitFiles());
  process.exitCode = await emit(['step_complete', 'w', PAYLOAD, '--attempt', '1']);
  writeFileSync(emitFiles().cache, compiled());
}
