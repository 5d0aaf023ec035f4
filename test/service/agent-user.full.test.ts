import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { readLines } from '../support/receiver.ts';
import { firstTaskId, processesWith, resultOf, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

let cwd: string;
let logDir: string;
/** Open to all users, as a checkout for agents is. */
let work: string;
const services: ServiceProcess[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-agent-user-'));
  work = await mkdtemp(join(tmpdir(), 'tasktrail-agent-work-'));
  await chmod(work, 0o777);
  logDir = join(cwd, 'logs');
});

afterEach(async () => {
  for (const service of services.splice(0)) await service.dispose();
  await rm(cwd, { recursive: true, force: true });
  await rm(work, { recursive: true, force: true });
});

async function configure(script: string, more: object = {}): Promise<void> {
  const own = { command: ['sh', '-c', script], cwd: work, ...more };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents: { own } }));
}

async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ cwd, env: { TASK_LOGS_AGENT_USER: 'nobody', ...env } });
  services.push(service);
  return service;
}

async function refused(env: Record<string, string>, prefix: readonly string[] = []): Promise<string> {
  const service = new ServiceProcess({ cwd, env, prefix });
  services.push(service);
  expect((await service.exited).code).not.toBe(0);
  return service.stderr;
}

async function submit(service: ServiceProcess): Promise<string> {
  return firstTaskId(await (await service.submit({ message: 'for the agent' })).json());
}

async function outputOf(id: string): Promise<string> {
  const lines = await readLines(join(logDir, id, '03-agent-output.jsonl'));
  return lines.map(({ content }) => content).join('');
}

const places = async (): Promise<string[]> =>
  (await readdir('/tmp')).filter((name) => name.startsWith('tasktrail-agent-') && name.length === 22);

describe.skipIf(process.getuid?.() !== 0)('an agent that runs as another user', () => {
  test('has the rights and the home of that user, its input, and no way to the log directory', async () => {
    await configure(
      [
        'id; echo "$HOME $USER $LOGNAME"',
        'cat "$TASK_LOGS_INPUT_FILE"; echo',
        `ls ${logDir} 2> /dev/null || echo closed`,
        'echo reopened > /dev/stderr',
        'ls -ld "$(dirname "$TASK_LOGS_INPUT_FILE")"',
        `${process.execPath} ${MAIN} emit workflow_start w-of-other '{}' > /dev/null && echo emitted`,
        'exit 7',
      ].join('\n'),
    );
    const before = await places();
    const service = await start();
    const id = await submit(service);
    expect(await resultOf(logDir, id)).toMatchObject({ success: false, error_type: 'exit_code' });
    const output = await outputOf(id);
    expect(output).toMatch(
      /^uid=65534\(nobody\) gid=65534\(\w+\) groups=65534\(\w+\)\n\/nonexistent nobody nobody\n/,
    );
    expect(output).toContain('"message":"for the agent"');
    expect(output).toContain('closed\n');
    expect(output).toContain('reopened\n');
    expect(output).toMatch(/drwx------ \d+ nobody /);
    expect(output).toContain('emitted\n');
    const workflows = await readdir(join(logDir, '_workflow'), { recursive: true });
    expect(workflows.some((name) => name.endsWith('w-of-other.jsonl'))).toBe(true);
    await until(async () => (await places()).length <= before.length, 'the folder of the agent to go');
    expect(service.stdout).not.toContain('as root');
  });

  test('is adopted after a kill of the service, with its exit code, and is ended by a cancel', async () => {
    await configure('trap "" TERM; echo started; while [ ! -e go ]; do sleep 0.05; done; echo went; exit 5');
    const first = await start();
    const id = await submit(first);
    await until(async () => (await outputOf(id).catch(() => '')).includes('started'), 'the agent');
    await first.dispose();
    const second = await start();
    await writeFile(join(work, 'go'), '', { mode: 0o644 });
    expect(await resultOf(logDir, id)).toMatchObject({ success: false, error_type: 'exit_code' });
    expect(await outputOf(id)).toMatch(/^started\nwent\n/);
    await rm(join(work, 'go'));
    const other = await submit(second);
    await until(async () => (await outputOf(other).catch(() => '')).includes('started'), 'the other agent');
    expect((await fetch(`${second.url}/api/tasks/${other}/cancel`, { method: 'POST' })).status).toBe(202);
    expect(await resultOf(logDir, other)).toMatchObject({ status: 'cancelled' });
    expect(await processesWith(`TASK_LOGS_TASK_ID=${other}`)).toEqual([]);
  });

  test('cannot make the service write, read or remove through links in its folder', async () => {
    const precious = join(cwd, 'precious');
    await writeFile(precious, 'kept\n');
    await configure(
      [
        'place=$(dirname "$TASK_LOGS_INPUT_FILE")',
        'rm -rf "$TASK_LOGS_DIR" "$TASK_LOGS_INPUT_FILE"',
        `ln -s ${logDir} "$TASK_LOGS_DIR"`,
        `ln -s ${precious} "$TASK_LOGS_INPUT_FILE"`,
        'ln -s / "$place/root"',
        'echo linked',
      ].join('\n'),
    );
    const service = await start();
    const id = await submit(service);
    expect(await resultOf(logDir, id)).toMatchObject({ success: true });
    expect(await readFile(precious, 'utf8')).toBe('kept\n');
    expect(existsSync(join(logDir, '_lock.json'))).toBe(true);
    await until(
      async () => (await readdir(join(logDir, '_agent'))).length === 0,
      'the folder of the run to go',
    );
  });

  test('whose folder or program is closed to that user fails with the reason', async () => {
    await configure('true', { cwd });
    const service = await start();
    const id = await submit(service);
    const { error } = (await resultOf(logDir, id)) as { error: string };
    expect(error).toContain(`its working directory "${cwd}" is closed to that user`);
  });
});

describe.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(
  'agents that run at the same time',
  () => {
    /** Prints how many processes it finds, beside its own, with the token of a task. */
    const SPY = `n=0; for p in /proc/[0-9]*; do
    if tr '\\0' '\\n' < $p/environ 2> /dev/null | grep -q "^TASK_LOGS_TASK_ID=$VICTIM$"; then n=$((n+1)); fi
  done; echo "found $([ $n -gt 0 ] && echo some || echo none)"`;

    async function spyOn(users: { readonly victim: string; readonly spy: string }): Promise<string> {
      const victim = {
        command: ['sh', '-c', 'echo begun; while [ ! -e go ]; do sleep 0.05; done'],
        cwd: work,
      };
      const spy = { command: ['sh', '-c', `VICTIM=$(cat); ${SPY}`], cwd: work };
      const agents = {
        victim: { ...victim, user: users.victim },
        spy: { ...spy, user: users.spy },
      };
      await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents }));
      const service = await start({ TASK_LOGS_CONCURRENCY: '2' });
      const first = firstTaskId(await (await service.submit({ message: 'x', agent: 'victim' })).json());
      await until(async () => (await outputOf(first).catch(() => '')).includes('begun'), 'the first agent');
      const second = firstTaskId(await (await service.submit({ message: first, agent: 'spy' })).json());
      await resultOf(logDir, second);
      await writeFile(join(work, 'go'), '', { mode: 0o644 });
      await resultOf(logDir, first);
      return outputOf(second);
    }

    test('as one user read the token and the variables of each other, as SECURITY says', async () => {
      expect(await spyOn({ victim: 'nobody', spy: 'nobody' })).toContain('found some');
    });

    test('as two users do not', async () => {
      expect(await spyOn({ victim: 'nobody', spy: '65533:65533' })).toContain('found none');
    });
  },
);

describe.skipIf(process.getuid?.() !== 0)('the start', () => {
  test('refuses an unknown user, root, and a service that is not root, with the name of the setting', async () => {
    await configure('true');
    const setting = { TASK_LOGS_AGENT_USER: 'no-such-user' };
    expect(await refused(setting)).toContain('TASK_LOGS_AGENT_USER: there is no user "no-such-user"');
    expect(await refused({ TASK_LOGS_AGENT_USER: '0:0' })).toContain(
      'TASK_LOGS_AGENT_USER: root is the user',
    );
    expect(await refused({ TASK_LOGS_AGENT_USER: '4294967295:0' })).toContain(
      'TASK_LOGS_AGENT_USER: there is no',
    );
    await configure('true', { user: 'nor-this' });
    expect(await refused({})).toContain('agents.own.user: there is no user "nor-this"');
    await configure('true');
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    await rm(cwd, { recursive: true });
    cwd = work;
    const why = await refused({ TASK_LOGS_AGENT_USER: 'nobody', HOME: '/' }, asNobody);
    expect(why).toContain('TASK_LOGS_AGENT_USER: only root can run agents as "');
  });

  test('warns once when root runs agents', async () => {
    await configure('true');
    const service = await start({ TASK_LOGS_AGENT_USER: '' });
    expect(service.stdout.match(/own runs as root .* set TASK_LOGS_AGENT_USER/g)).toHaveLength(1);
  });

  test('names a key that is set and not handed to a known agent', async () => {
    await configure('claude -p');
    const env = { ANTHROPIC_API_KEY: 'sk-ant-x', CLAUDE_CODE_OAUTH_TOKEN: 'y' };
    const text = 'ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN are set and not handed to the agent own';
    expect((await start(env)).stdout).toContain(`${text}: name them in agents.own.env`);
    await services.pop()?.stop();
    const handed = { ...env, TASK_LOGS_AGENT_ENV: 'ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN' };
    expect((await start(handed)).stdout).not.toContain('not handed');
  });
});
