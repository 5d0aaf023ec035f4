import { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeEach } from 'vitest';
import { readProc } from '../../src/system/process-table.ts';
import { endProcesses, findProcesses } from '../../src/system/processes.ts';

/** In the environment of every process that a test file starts, and of what those start. */
const VARIABLE = 'TASKTRAIL_TEST_FILE';

/** A process that was told to end gets this much time, on a busy machine, before it counts as left behind. */
const GRACE_MS = 5_000;
const POLL_MS = 50;

const file = randomUUID();

interface Spawning {
  envPairs?: string[];
}

interface Patched {
  /** The test file that runs now. Files that share a process run one after the other, and each comes by here. */
  testFile?: string;
  spawn(options: Spawning): unknown;
}

const prototype = ChildProcess.prototype as unknown as Patched;
if (prototype.testFile === undefined) {
  const { spawn } = prototype;
  // Every way to start a process comes by here with its environment, whatever the caller gave.
  prototype.spawn = function spawnMarked(options: Spawning): unknown {
    options.envPairs?.push(`${VARIABLE}=${prototype.testFile}`);
    return spawn.call(this, options);
  };
}
prototype.testFile = file;

function leftover(): readonly number[] {
  return findProcesses(VARIABLE, (value) => value === file);
}

// A failing test may not reach its own clean-up: what is left is ended. A file that passes must end what it started.
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
  if (!hasFailed) throw new Error(`processes were left behind:\n${commands.join('\n')}`);
});

function commandOf(pid: number): string {
  try {
    return `${pid} ${readProc(`${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 300)}`;
  } catch {
    // ENOENT: it has ended meanwhile.
    return `${pid} has ended`;
  }
}
