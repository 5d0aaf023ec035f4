// Runs Vitest with the given arguments. Files that failed run once more, alone: `node test/tools/full-lane.mjs --project=full`.
// What fails only beside other tests is named and does not fail the lane. Storms are found by chance and are not run again.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** More failed files than these are no accident. */
const AGAIN_MAX = 4;

const ONCE = ['test/storm/', 'test/store/power-cut'];

/** @returns the exit code, and the files with a failed test, from the root of the checkout. */
function run(args) {
  const dir = mkdtempSync(join(tmpdir(), 'tasktrail-lane-'));
  const report = join(dir, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const { status } = spawnSync('npx', ['vitest', 'run', ...args, ...reporters], { stdio: 'inherit' });
    return { code: status ?? 1, failed: status === 0 ? [] : failedFiles(report) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Nothing where there is no report: Vitest itself failed. */
function failedFiles(report) {
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    return testResults
      .filter(({ status }) => status === 'failed')
      .map(({ name }) => relative(process.cwd(), name));
  } catch {
    return [];
  }
}

const args = process.argv.slice(2);
const { code, failed } = run(args);
const isAccident =
  failed.length > 0 &&
  failed.length <= AGAIN_MAX &&
  !failed.some((file) => ONCE.some((start) => file.startsWith(start)));
if (code === 0 || !isAccident) process.exit(code);

const flags = args.filter((arg) => arg.startsWith('--'));
console.log(`\nfull-lane: ${failed.join(', ')} failed beside other tests and run alone now\n`);
const again = run([...flags, '--no-file-parallelism', ...failed]);
if (again.code === 0)
  console.log(`\nfull-lane: alone they passed. Each has a race, or has found one: ${failed.join(', ')}`);
process.exit(again.code);
