import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { afterTest } from '../support/current-test.ts';
import { firstTaskId, resultOf, ServiceProcess } from '../support/service-process.ts';
import { findTool } from '../support/tool.ts';
import { until } from '../support/until.ts';

const tool = findTool('disk-faults');
const isMissing = 'missing' in tool;

const EIO = 5;

/** Runs until the file `end` is there, and leaves a file of its own when it has. */
const AGENT = `
touch "$1/began.$TASK_LOGS_TASK_ID"
until [ -e "$1/end" ]; do sleep 0.1; done
echo "the work is done"
touch "$1/ended.$TASK_LOGS_TASK_ID"
`;

interface Place {
  readonly cwd: string;
  readonly logDir: string;
  readonly service: ServiceProcess;
  /** What fails from now on. */
  fail(fault: string): void;
}

async function start(): Promise<Place> {
  const cwd = await mkdtemp(join(tmpdir(), 'tasktrail-unreadable-lock-'));
  afterTest(() => rm(cwd, { recursive: true, force: true }));
  const logDir = join(cwd, 'logs');
  const control = join(cwd, 'faults');
  writeFileSync(control, '');
  await writeFile(join(cwd, 'agent.sh'), AGENT);
  const agents = { slow: { command: ['/bin/sh', join(cwd, 'agent.sh'), cwd] } };
  const review = { agent: 'slow', phases: [{ name: 'build', steps: ['one'] }] };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents, commands: { review } }));
  const service = await ServiceProcess.start({
    cwd,
    env: {
      LD_PRELOAD: isMissing ? '' : tool.path,
      DISK_FAULTS: control,
      DISK_FAULTS_DIR: logDir,
      TASK_LOGS_CONCURRENCY: '1',
      TASK_LOGS_COMMAND: 'review',
    },
  });
  afterTest(() => service.dispose());
  return { cwd, logDir, service, fail: (fault) => writeFileSync(control, fault) };
}

async function submit({ service }: Place): Promise<string> {
  return firstTaskId(await (await service.submit({ message: 'm', command: 'review' })).json());
}

test
  .skipIf(isMissing)
  .concurrent(
    'an agent that ends while neither the lock nor the last lease can be read keeps its result, and the next task waits',
    { tags: ['long'], timeout: 180_000 },
    async () => {
      const at = await start();
      const ids = [await submit(at), await submit(at)];
      const began = (id = ''): boolean => existsSync(join(at.cwd, `began.${id}`));
      await until(() => began(ids[0]), 'the first agent');
      at.fail(`openany ${EIO} 1 100000000 */_l*.json`);
      // The lock was read a moment ago.
      await delay(6_000);
      writeFileSync(join(at.cwd, 'end'), '');
      await until(() => existsSync(join(at.cwd, `ended.${ids[0]}`)), 'the end of the first agent');
      // Longer than half a minute, which is no limit either.
      await delay(35_000);
      expect(began(ids[1])).toBe(false);
      at.fail('');
      for (const id of ids)
        expect(await resultOf(at.logDir, id, 60_000)).toMatchObject({ status: 'completed', success: true });
      expect(at.service.child.exitCode).toBeNull();
    },
  );

test
  .skipIf(isMissing)
  .concurrent(
    'a service that ends while the lock cannot be read leaves the result of its agent to the next start',
    { timeout: 180_000 },
    async () => {
      const at = await start();
      const id = await submit(at);
      await until(() => existsSync(join(at.cwd, `began.${id}`)), 'the agent');
      at.fail(`openany ${EIO} 1 100000000 */_l*.json`);
      await delay(6_000);
      writeFileSync(join(at.cwd, 'end'), '');
      await until(() => existsSync(join(at.cwd, `ended.${id}`)), 'the end of the agent');
      await delay(1_000);
      await at.service.stop();
      await rm(join(at.cwd, `ended.${id}`));
      const next = await ServiceProcess.start({ cwd: at.cwd });
      afterTest(() => next.dispose());
      expect(await resultOf(at.logDir, id, 60_000)).toMatchObject({ status: 'completed', success: true });
      // It was not run again.
      expect(existsSync(join(at.cwd, `ended.${id}`))).toBe(false);
    },
  );
