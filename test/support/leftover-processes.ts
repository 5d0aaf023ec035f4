import { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeEach } from 'vitest';
import { readProc } from '../../src/system/process-table.ts';
import { endProcesses, findProcesses } from '../../src/system/processes.ts';

/** Marks all processes that a test file starts, directly or indirectly. */
const VARIABLE = 'TASKTRAIL_TEST_FILE';

/** Time for processes to end after the last test, on a busy machine. */
const GRACE_MS = 5_000;
const POLL_MS = 50;

const file = randomUUID();

interface Spawning {
  envPairs?: string[];
}

interface Patched {
  /** The current test file. Files that share a process run one after the other. */
  testFile?: string;
  spawn(options: Spawning): unknown;
}

const prototype = ChildProcess.prototype as unknown as Patched;
if (prototype.testFile === undefined) {
  const { spawn } = prototype;
  // All functions of node:child_process for asynchronous processes call this method.
  prototype.spawn = function spawnMarked(options: Spawning): unknown {
    options.envPairs?.push(`${VARIABLE}=${prototype.testFile}`);
    return spawn.call(this, options);
  };
}
prototype.testFile = file;

function leftover(): readonly number[] {
  return findProcesses(VARIABLE, (value) => value === file);
}

// A failed test may skip its clean-up, so its processes are only killed. In a passing file they are an error.
let hasFailed = false;

beforeEach(({ onTestFailed }) => {
  onTestFailed(() => {
    hasFailed = true;
  });
});

afterAll(async () => {
  const until = Date.now() + GRACE_MS;
  while (leftover().length > 0 && Date.now() < until) await delay(POLL_MS);
  const left = leftover();
  if (left.length === 0) return;
  const commands = left.map(commandOf);
  await endProcesses(leftover, { graceMs: 0 });
  if (!hasFailed) throw new Error(`these processes did not end with their test:\n${commands.join('\n')}`);
});

function commandOf(pid: number): string {
  try {
    return `${pid} ${readProc(`${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 300)}`;
  } catch {
    // ENOENT: the process has ended.
    return `${pid} has ended`;
  }
}
