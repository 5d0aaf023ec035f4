// `npm run dev`: compiles the sources at the start and on each change, and restarts the service after each compilation
// without errors. Arguments go to `tasktrail start`. JavaScript, because it runs before anything is compiled. The compiler
// runs once per change instead of with `--watch`: its exit code says whether there were errors, and the service never
// starts in the middle of its writes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const ROOT = resolve(import.meta.dirname, '..', '..');
const COMPILER = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const PROGRAM = join(ROOT, 'dist', 'cli', 'main.js');

/** Milliseconds of quiet before a compilation: an editor or `git checkout` changes several files at once. */
const QUIET_MS = 150;

/** Milliseconds between two looks at the parent process. */
const PARENT_POLL_MS = 250;

let service;
let hasChanged = false;
let isStopping = false;
let wake = () => {};

const watcher = watch(join(ROOT, 'src'), { recursive: true }, () => {
  hasChanged = true;
  wake();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
// npm forwards SIGTERM only to the shell between itself and this process. The end of that shell counts as the signal.
const parent = process.ppid;
const parentTimer = setInterval(() => process.ppid !== parent && stop(), PARENT_POLL_MS);

while (!isStopping) {
  hasChanged = false;
  const isCompiled = await compile();
  // A signal to the whole process group ends the compiler too. That is no error in the sources.
  if (isStopping) break;
  if (isCompiled) await restart();
  else print('the sources have errors: the service is unchanged until the next change');
  if (!hasChanged && !isStopping) await new Promise((change) => (wake = change));
  await delay(QUIET_MS);
}
watcher.close();
clearInterval(parentTimer);
await endService();

/** A terminal and npm both signal: only the first signal counts here. The service has its own rule for later ones. */
function stop() {
  isStopping = true;
  wake();
}

/** Prints the errors of the compiler. With errors it leaves `dist` as it is. */
async function compile() {
  const args = [COMPILER, '--project', join(ROOT, 'tsconfig.build.json'), '--noEmitOnError', '--pretty'];
  const [code] = await once(spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }), 'exit');
  return code === 0;
}

async function restart() {
  await endService();
  if (isStopping) return;
  const args = [PROGRAM, 'start', ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  service = child;
  child.once('exit', (code, signal) => {
    if (service === child && !isStopping)
      print(`the service ended (${signal ?? `exit code ${code}`}): it starts again with the next change`);
  });
}

/** Resolves when the service has ended. A running task goes back to the queue and runs again with the next start. */
async function endService() {
  const child = service;
  service = undefined;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

function print(line) {
  process.stderr.write(`dev: ${line}\n`);
}
