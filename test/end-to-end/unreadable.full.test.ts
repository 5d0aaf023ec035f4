import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { journalDir } from '../../src/journal/lone-record.ts';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { MAIN } from '../support/built.ts';
import { resultOf, ServiceProcess, serviceEnv } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { allowOtherAnswers } from '../support/watch-answers.ts';

/** Root reads everything, so the service runs as another user. */
const OTHER_UID = 65_534;
const AS_OTHER = ['setpriv', `--reuid=${OTHER_UID}`, `--regid=${OTHER_UID}`, '--clear-groups'];

const isRoot = process.getuid?.() === 0;
const ID = '01ARZ3NDEKTSV4RRFFQ69G5FA0';

/** Too young for retention. */
const DAY = `_webhooks/${new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)}.jsonl`;
const WORKFLOW = '_workflow/2026/01/workflow-9-20260102T030405Z.facts';

const METADATA = { source: 'api', created_at: '2026-01-02T03:04:05.000Z', status: 'running', attempt: 1 };

function segment(): string {
  const attributes = [
    { key: 'tasktrail.task.id', value: { stringValue: 'from-root' } },
    { key: 'tasktrail.event.id', value: { stringValue: 'e-1' } },
  ];
  const log = { timeUnixNano: '1767323045000000000', eventName: 'tasktrail.task.metadata', attributes };
  const body = { kvlistValue: { values: [{ key: 'source', value: { stringValue: 'root' } }] } };
  return `H{"version":1,"destinations":["holder"]}\nL${JSON.stringify({ ...log, body })}\n`;
}

/** A log directory of that user with one bad entry of each kind. */
async function badDirectory(): Promise<{
  home: string;
  logs: string;
  journal: string;
  bad: readonly string[];
}> {
  const home = await mkdtemp(join(tmpdir(), 'tasktrail-unreadable-'));
  const logs = join(home, 'logs');
  const journal = journalDir(logs);
  for (const dir of ['good', 'bad', '_webhooks', '_workflow/2025/12', '_workflow/2026/01', '_workflow/_feed'])
    await mkdir(join(logs, dir), { recursive: true });
  await mkdir(journal, { recursive: true });
  for (const id of ['good', 'bad'])
    await writeFile(join(logs, id, 'metadata.json'), JSON.stringify({ ...METADATA, task_id: id }));
  const name = formatSegmentName({ id: ID, owner: { ...ownIdentity(), start: 'dead-1' }, state: 'open' });
  await writeFile(join(journal, name), segment());
  for (const file of [DAY, '_workflow/2025/12/workflow-8.facts', WORKFLOW])
    await writeFile(join(logs, file), '{}\n');
  await once(spawn('chown', ['-R', `${OTHER_UID}:${OTHER_UID}`, home]), 'close');
  const bad = ['bad', DAY, '_workflow/2025/12', WORKFLOW];
  for (const path of bad) await chmod(join(logs, path), 0);
  // A segment that root made.
  await chown(join(journal, name), 0, 0);
  await chmod(join(journal, name), 0o600);
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return { home, logs, journal, bad };
}

async function json(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url);
  expect([url, response.status]).toEqual([url, 200]);
  return (await response.json()) as Record<string, unknown>;
}

async function doctor(home: string): Promise<string> {
  const env = serviceEnv({ cwd: home });
  const child = spawn('setpriv', [...AS_OTHER.slice(1), process.execPath, MAIN, 'doctor'], {
    cwd: home,
    env,
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await once(child, 'close');
  return text;
}

test.skipIf(!isRoot)(
  'bad segments, tasks, deliveries and workflows are set aside and named, and all others go on',
  { timeout: 150_000 },
  async () => {
    // Its tasks have the fields alone that the test needs.
    allowOtherAnswers();
    const { home, logs, journal, bad } = await badDirectory();
    const service = await ServiceProcess.start({ cwd: home, prefix: AS_OTHER });
    onTestFinished(() => service.dispose());
    const taskId = await service.sendComment('@agent review');
    expect(await resultOf(logs, taskId)).toMatchObject({ success: true });
    const tasks = await json(`${service.url}/api/tasks`);
    expect((tasks.items as { task_id: string }[]).map(({ task_id: id }) => id)).toEqual([taskId, 'good']);
    expect((await json(`${service.url}/api/workflows`)).items).toHaveLength(1);
    expect((await json(`${service.url}/api/webhooks`)).items).toHaveLength(1);
    expect((await json(`${service.url}/api/events`)).items).not.toHaveLength(0);
    const { notices } = (await json(`${service.url}/readyz`)) as { notices: Record<string, string> };
    expect(notices['journal segments']).toContain(ID);
    for (const name of bad) expect(notices['unreadable files']).toContain(`${name} (EACCES)`);
    const text = await doctor(home);
    expect(text).toContain(`cannot read ${ID}`);
    for (const name of bad) expect(text).toContain(`${name} (EACCES)`);

    for (const path of bad) await chmod(join(logs, path), 0o700);
    for (const name of await readdir(journal)) await chown(join(journal, name), OTHER_UID, OTHER_UID);
    // What the segment holds is stored without a restart.
    await until(
      () => readFile(join(logs, 'from-root', 'metadata.json'), 'utf8').catch(() => undefined),
      'it is sent',
    );
    await until(
      async () => Object.keys((await json(`${service.url}/readyz`)).notices as object).length === 0,
      'the notices are gone',
      60_000,
    );
    await service.stop();
  },
);
