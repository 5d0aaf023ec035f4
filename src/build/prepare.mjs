// `npm run prepare`, which npm runs after an installation in the checkout and before it packs: builds, and links the
// command so that `npx tasktrail` and `node_modules/.bin/tasktrail` find it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..', '..');
const BIN = join(ROOT, 'node_modules', '.bin');

function link() {
  mkdirSync(BIN, { recursive: true });
  const command = join(BIN, 'tasktrail');
  rmSync(command, { force: true });
  if (process.platform === 'win32') {
    // Symbolic links need a privilege there; npm writes such a file for installed packages, too.
    writeFileSync(`${command}.cmd`, '@node "%~dp0\\..\\..\\dist\\cli\\main.js" %*\r\n');
  } else symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), command);
}

// npx installs the checkout itself into its cache before it runs a command of it. What is built is not built again.
const isNpx = process.env.npm_command === 'exec';
if (!(isNpx && existsSync(join(ROOT, 'dist', 'cli', 'main.js')))) {
  const { status } = spawnSync(process.execPath, [join(ROOT, 'src', 'build', 'build.mjs')], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
link();
