import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DirectoryLock } from '../../src/store/lock.ts';
import { VictoriaLogs } from '../../src/warehouse/client.ts';
import { type Run, runCommand, startCommand, tempDir } from '../cli/run-command.ts';
import { afterTest } from '../support/current-test.ts';
import { DiskImage, noImageReason } from '../support/disk-image.ts';
import { filesIn } from '../support/log-dir.ts';
import { until } from '../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../support/victoria-logs.ts';

const tool = findVictoriaLogs();

const TASKS = 400;
const LINES = 6;

describe.skipIf('missing' in tool)('a move that is ended in the middle', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test('goes on after kill -9, again and again, and every line is read once', async () => {
    const [cwd, there] = [await tempDir(), server.newTenant()];
    const source = writeTasks(join(cwd, 'logs'), TASKS);
    const rows = new VictoriaLogs(there);
    for (let enough = 0; enough < 4; enough += 1) {
      const running = startCommand(['import', '--from', source, '--to', there], { cwd });
      const before = await count(rows);
      await until(async () => {
        await server.flush();
        return (await count(rows)) > before || running.child.exitCode !== null;
      }, 'some lines');
      running.child.kill('SIGKILL');
      await running.ended;
    }
    const whole = await move(source, there, cwd);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    expect(whole.stdout).toContain(
      `${TASKS} task(s), 0 workflow(s), 0 day(s) of deliveries, ${TASKS * LINES} line(s)`,
    );
    const back = join(cwd, 'back');
    for (let kills = 1; kills < 4; kills += 1) {
      const running = startCommand(['import', '--from', there, '--to', back], { cwd });
      await until(() => tasksIn(back) > kills * 60 || running.child.exitCode !== null, 'some tasks');
      running.child.kill('SIGKILL');
      await running.ended;
      // No task is there in part.
      for (const [name, text] of Object.entries(filesIn(back)))
        if (name.startsWith('task-') && name.endsWith('agent-output.jsonl'))
          expect([name, text.split('\n').length]).toEqual([name, LINES - 1]);
    }
    const returned = await move(there, back, cwd);
    expect([returned.code, returned.stdout]).toEqual([0, expect.stringContaining('all are the same')]);
    expect(linesIn(back)).toEqual(linesIn(source));
  });

  /** A move that has stored some lines. */
  async function startMove() {
    const [cwd, there] = [await tempDir(), server.newTenant()];
    const source = writeTasks(join(cwd, 'logs'), TASKS);
    const running = startCommand(['import', '--from', source, '--to', there], { cwd });
    await until(async () => {
      await server.flush();
      return (await count(new VictoriaLogs(there))) > 0;
    }, 'some lines');
    return { cwd, there, source, running };
  }

  test('goes on after Ctrl-C', async () => {
    const { cwd, there, source, running } = await startMove();
    running.child.kill('SIGINT');
    const stopped = await running.ended;
    expect([stopped.code, stopped.stderr]).toEqual([130, expect.stringContaining('goes on where it was')]);
    expect((await move(source, there, cwd)).code).toBe(0);
  });

  test('waits for a VictoriaLogs that is killed and started, and ends with what to do when it stays away', {
    tags: ['long'],
    timeout: 300_000,
  }, async () => {
    const { cwd, there, source, running } = await startMove();
    await server.kill();
    await server.start();
    const first = await running.ended;
    // What VictoriaLogs had in its memory is gone: the comparison names it, and the next run stores it.
    expect([0, 1]).toContain(first.code);
    expect((await move(source, there, cwd)).code).toBe(0);
    await server.kill();
    const away = await runCommand(['import', '--from', source, '--to', there, '--wait', '1'], { cwd });
    await server.start();
    expect([away.code, away.stderr]).toEqual([
      1,
      expect.stringContaining('the same command goes on when it is back'),
    ]);
  });

  test('a directory that a process holds is refused, with the process', async () => {
    const [cwd, there] = [await tempDir(), server.newTenant()];
    const source = writeTasks(join(cwd, 'logs'), 1);
    const lock = await DirectoryLock.acquire(source, () => {});
    afterTest(() => lock.release());
    for (const args of [
      ['--from', source, '--to', there],
      ['--from', there, '--to', source],
    ]) {
      const refused = await runCommand(['import', ...args], { cwd });
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringContaining(`is held by process ${process.pid} on`),
      ]);
    }
  });

  const reason = noImageReason();
  test.skipIf(reason !== undefined)('a full disk ends it, and it goes on when there is room', async () => {
    const [cwd, there] = [await tempDir(), server.newTenant()];
    const source = writeTasks(join(cwd, 'logs'), 100, 20_000);
    expect((await move(source, there, cwd)).code).toBe(0);
    const small = new DiskImage(10);
    afterTest(() => small.dispose());
    small.mount();
    const back = join(small.directory, 'logs');
    const full = await move(there, back, cwd);
    expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('no space left on device')]);
    expect(full.stderr).toContain('the same command goes on when this is mended');
    const roomy = join(cwd, 'roomy');
    expect(tasksIn(back)).toBeLessThan(100);
    expect((await move(there, roomy, cwd)).code).toBe(0);
    expect(linesIn(roomy)).toEqual(linesIn(source));
  });

  function move(from: string, to: string, cwd: string): Promise<Run> {
    return runCommand(['import', '--from', from, '--to', to], { cwd });
  }
});

async function count(logs: VictoriaLogs): Promise<number> {
  const [row] = await logs.rows('* | stats count() n');
  return Number(row?.n ?? 0);
}

function tasksIn(dir: string): number {
  try {
    return readdirSync(dir).filter((name) => name.startsWith('task-')).length;
  } catch {
    // Not made yet.
    return 0;
  }
}

/** The lines of all tasks by file. */
function linesIn(dir: string): Record<string, string> {
  const all = Object.entries(filesIn(dir));
  return Object.fromEntries(all.filter(([name]) => name.startsWith('task-') && name.endsWith('.jsonl')));
}

/** Tasks that have ended, each with `LINES` lines. */
function writeTasks(dir: string, tasks: number, chars = 100): string {
  for (let task = 0; task < tasks; task += 1) {
    const folder = join(dir, `task-${String(task).padStart(5, '0')}`);
    mkdirSync(folder, { recursive: true });
    let number = 0;
    const lineOf = (more: object): object => {
      number += 1;
      const at = new Date(Date.parse('2026-01-02T03:04:05Z') + task * 1_000 + number).toISOString();
      return { timestamp: at, event_id: `01KDY${String(task * 100 + number).padStart(21, '0')}`, ...more };
    };
    const fact = (event: string, body: object): object =>
      lineOf({ event: `tasktrail.task.${event}`, trace_id: null, span_id: null, attempt: 1, body });
    const first = fact('metadata', { source: 'api', status: 'running' });
    const output = [1, 2, 3, 4].map((one) =>
      lineOf({ type: 'output', content: `${one} ${'x'.repeat(chars)}\n` }),
    );
    const last = fact('result', { success: true, status: 'completed', result: 'ok', error: null });
    const texts = (lines: readonly object[]): string =>
      lines.map((one) => `${JSON.stringify(one)}\n`).join('');
    writeFileSync(join(folder, 'facts.jsonl'), texts([first, last]));
    writeFileSync(join(folder, '03-agent-output.jsonl'), texts(output));
  }
  return dir;
}
