import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { INDEX_URL } from '../support/built.ts';
import { tempDir } from '../support/log-dir.ts';
import { serviceEnv } from '../support/service-process.ts';
import { findTool } from '../support/tool.ts';
import { until } from '../support/until.ts';

const tool = findTool('disk-faults');
const isMissing = 'missing' in tool;

const EIO = 5;
const EMFILE = 24;
const ENOSPC = 28;
const LINES = 400;

/** Records lines at 200 a second, prints its books ten times a second, and shuts down after a line of input. */
const PROGRAM = `
  import { once } from 'node:events';
  import { setTimeout as delay } from 'node:timers/promises';
  import { startTasktrail, recordTask } from '${INDEX_URL}';
  const trail = await startTasktrail({ hold: 'must', log: () => {} });
  const say = (what) => process.stdout.write(JSON.stringify({
    what, books: trail.books.snapshot(), reasons: [...trail.books.reasons.keys()], notices: [...trail.books.notices.keys()],
  }) + '\\n');
  const reasons = setInterval(() => say('state'), 100);
  await recordTask({ source: 'faults', message: 'm', taskId: 'task-faults' }, async (task) => {
    for (let n = 0; n < ${LINES}; n += 1) {
      task.output('line ' + n + ';');
      if (n % 20 === 0) await trail.synced();
      await delay(5);
    }
  });
  say('recorded');
  await once(process.stdin, 'data');
  clearInterval(reasons);
  await trail.shutdown(20_000);
  say('closed');
  process.exit(0);
`;

interface State {
  readonly what: 'state' | 'recorded' | 'closed';
  readonly books: { readonly dropped: object; readonly recorded: number; readonly failedSyncs?: number };
  readonly reasons: readonly string[];
  readonly notices: readonly string[];
}

interface Program {
  readonly child: ChildProcess;
  readonly logDir: string;
  readonly states: State[];
  /** What fails from now on: a call, an errno, and the first and last failing call. */
  fail(fault: string): void;
}

async function start(env: Readonly<Record<string, string>> = {}): Promise<Program> {
  const cwd = await tempDir();
  const logDir = join(cwd, 'logs');
  const control = join(cwd, 'faults');
  writeFileSync(control, '');
  const faults = {
    LD_PRELOAD: isMissing ? '' : tool.path,
    DISK_FAULTS: control,
    DISK_FAULTS_DIR: logDir,
    ...env,
  };
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd,
    env: serviceEnv({ cwd, env: faults }),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const states: State[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => states.push(JSON.parse(line)));
  return { child, logDir, states, fail: (fault) => writeFileSync(control, fault) };
}

async function finish({ child, states }: Program): Promise<State> {
  const closed = once(child, 'close');
  child.stdin?.write('end\n');
  expect(await closed).toEqual([0, null]);
  const last = states.at(-1);
  if (last === undefined) throw new Error('the program has printed nothing');
  return last;
}

/** The numbers of the stored lines. */
function linesOf({ logDir }: Program): number[] {
  const text = readFileSync(join(logDir, 'task-faults', '03-agent-output.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => Number(/^line (\d+);$/.exec(JSON.parse(line).content)?.[1]));
}

const EVERYTHING = Array.from({ length: LINES }, (_, n) => n);

const has = (states: readonly State[], reason: string): boolean =>
  states.some(({ reasons }) => reasons.includes(reason));

test.skipIf(isMissing).each([
  ['a sync fails once', `sync ${EIO} 3 3`, {}],
  ['forty syncs fail with always', `sync ${EIO} 1 40`, { TASK_LOGS_FSYNC: 'always' }],
  ['all syncs fail', `sync ${EIO} 1 100000`, {}],
  ['the disk is full', `write ${ENOSPC} 1 100000`, {}],
  ['a write fails', `write ${EIO} 2 9`, {}],
  ['renames fail', `rename ${EIO} 1 100000`, {}],
  ['no file can be opened', `open ${EMFILE} 1 100000`, {}],
])('when %s for a while, everything arrives once, and the program notices nothing', async (_, fault, env) => {
  const program = await start(env);
  const { states } = program;
  await until(() => states.length > 2, 'the first lines');
  program.fail(fault);
  const before = states.length;
  await until(() => states.length > before + 8, 'the faults');
  program.fail('');
  await until(() => states.some(({ what }) => what === 'recorded'), 'the end of recording');
  await until(() => states.at(-1)?.reasons.length === 0, 'the senders to come again');
  const { books, reasons } = await finish(program);
  expect(reasons).toEqual([]);
  expect(books.dropped).toEqual({});
  expect(linesOf(program)).toEqual(EVERYTHING);
  expect(readdirSync(join(program.logDir, '_journal'))).toEqual([]);
});

test.skipIf(isMissing)('a file whose fsync has failed is written again, and named meanwhile', async () => {
  const program = await start();
  const { states } = program;
  await until(() => states.length > 3, 'the first lines');
  program.fail(`sync ${EIO} 1 100000`);
  await until(() => has(states, 'store sync') && has(states, 'journal sync'), 'the reasons');
  program.fail('');
  await until(() => states.at(-1)?.reasons.length === 0, 'no reasons');
  await until(() => states.some(({ what }) => what === 'recorded'), 'the end of recording');
  const { books, notices } = await finish(program);
  expect(books.failedSyncs).toBeGreaterThan(1);
  expect(notices).toContain('store sync');
  expect(linesOf(program)).toEqual(EVERYTHING);
});
