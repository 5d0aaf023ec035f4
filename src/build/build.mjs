// `npm run build`: compiles beside `dist` and renames, so that a running service never sees half of it. JavaScript, because
// it runs before anything is compiled.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const ROOT = resolve(import.meta.dirname, '..', '..');
const TARGET = join(ROOT, 'dist');

/** At the top level like `dist`, so that relative paths out of it are the same. Several builds may run at once. */
const NEW = join(ROOT, `dist.new-${process.pid}`);
const OLD = join(ROOT, `dist.old-${process.pid}`);

function run(script, ...args) {
  const { status, error } = spawnSync(process.execPath, [script, ...args], { cwd: ROOT, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** The page of the browser, with each asset also as gzip and brotli. */
function buildPage() {
  const folder = join(NEW, 'page');
  run(join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js'), 'build', '--outDir', join(folder, 'browser'));
  const assets = join(folder, 'browser', 'assets');
  for (const name of readdirSync(assets)) {
    const bytes = readFileSync(join(assets, name));
    writeFileSync(join(assets, `${name}.gz`), gzipSync(bytes, { level: 9 }));
    writeFileSync(join(assets, `${name}.br`), brotliCompressSync(bytes));
  }
}

function swap() {
  if (existsSync(TARGET)) renameSync(TARGET, OLD);
  try {
    renameSync(NEW, TARGET);
  } catch (error) {
    // Another build was faster between the two renames: its result is as good.
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error;
  }
}

process.on('exit', () => {
  for (const path of [NEW, OLD]) rmSync(path, { recursive: true, force: true });
});
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

run(join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', NEW);
run(join(NEW, 'build', 'write-schemas.js'));
run(join(NEW, 'build', 'write-commonjs.js'));
run(join(NEW, 'build', 'write-emit.js'));
buildPage();
chmodSync(join(NEW, 'cli', 'main.js'), 0o755);
swap();
