import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { readDeliveries } from '../support/receiver.ts';
import { openSandbox, type Sandbox } from '../support/sandbox.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { flagsOf, storeWorkflows } from '../support/stored-workflow.ts';
import { until } from '../support/until.ts';
import { undocumentedFields } from './documented-fields.ts';
import { type Block, isDocumentation, type Page, readPages } from './markdown.ts';

/** Programs that the pages need. If one is missing, CI fails; elsewhere the tests are skipped. */
const TOOLS = ['bash', 'curl', 'openssl', 'jq'];
const missing = TOOLS.filter((name) => spawnSync(name, ['--version']).error !== undefined);
if (missing.length > 0) {
  if (process.env.CI === 'true') throw new Error(`not installed: ${missing.join(', ')}`);
  process.stderr.write(`skipped: not installed: ${missing.join(', ')}\n`);
}

/** Timeout of a page. It starts up to twenty processes, each of which takes a second on two busy cores. */
const PAGE_MS = 120_000;

interface Scene {
  readonly sandbox: Sandbox;
  readonly service: ServiceProcess | undefined;
  readonly stdout: string;
}

/** Checks after all blocks of a page ran in one shell. */
const OUTCOMES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'README.md': async ({ stdout }) => {
    expect(stdout).toContain('What does this project do?');
    expect(stdout).toMatch(/^HTTP\/1.1 202/m);
    expect(stdout).toMatch(/^working$/m);
  },
  'docs/webhooks.md': async ({ sandbox, service, stdout }) => {
    expect(stdout.match(/^HTTP\/1.1 202/gm)).toHaveLength(3);
    const deliveries = await until(async () => {
      const found = await readDeliveries(sandbox.logDir);
      return found.length >= 4 ? found : undefined;
    }, 'the deliveries to be stored');
    expect(deliveries.map(({ provider, outcome }) => [provider, outcome])).toEqual([
      ...[
        ['github', 'accepted'],
        ['github', 'accepted'],
        ['jira', 'accepted'],
        ['slack', 'accepted'],
      ],
    ]);
    const commands = await until(async () => {
      const answer = await fetch(`${service?.url}/api/tasks?status=completed`);
      const { items } = (await answer.json()) as { items: readonly { command?: string }[] };
      const found = items.flatMap(({ command }) => command ?? []);
      return found.length >= 4 ? found : undefined;
    }, 'the tasks to end');
    expect(commands).toEqual(['review', 'review', 'review', 'review']);
    expect(await undocumentedFields(sandbox.logDir)).toEqual([]);
  },
  'docs/workflows.md': async ({ sandbox }) => {
    const { stdout } = await sandbox.run('tasktrail workflow status');
    const { workflow_id: id } = JSON.parse(stdout) as { workflow_id: string };
    const [workflow] = await storeWorkflows(sandbox.logDir, [id]);
    expect(workflow?.state).toMatchObject({ name: 'faber', work_item_id: '199', status: 'success' });
    expect(flagsOf(workflow)).toEqual([]);
    expect(workflow?.events.map(({ event_type: type }) => type)).toEqual([
      ...['workflow_start', 'phase_start', 'step_start', 'artifact_create', 'step_complete'],
      ...['phase_complete', 'phase_start', 'step_start', 'step_complete', 'decision_point'],
      ...['phase_complete', 'workflow_complete'],
    ]);
  },
  'docs/agents.md': async ({ stdout }) => expect(stdout).toMatch(/^Say hello\n.*completed/s),
  'docs/getting-started.md': async ({ stdout }) => {
    expect(stdout).toContain('What does this project do?');
    expect(stdout).toMatch(/^done$/m);
  },
};

const pages = readPages()
  .filter(isDocumentation)
  .map((page): [string, Page, readonly Block[]] => [page.path, page, page.blocks.filter(isRun)])
  .filter(([, , blocks]) => blocks.length > 0);

function isRun({ language, note }: Block): boolean {
  return language === 'sh' && note === undefined;
}

test('every page with a check has shell blocks', () => {
  expect(Object.keys(OUTCOMES).filter((path) => !pages.some(([known]) => known === path))).toEqual([]);
});

describe.skipIf(missing.length > 0)('the shell blocks of a page run in one shell', () => {
  test.each(pages)(
    '%s',
    async (path, _page, blocks) => {
      const sandbox = await openSandbox();
      let service: ServiceProcess | undefined;
      try {
        // Later pages assume a task of an earlier page.
        await sandbox.run("echo 'the first task' | tasktrail run -- cat");
        const text = blocks.map(({ line, text }) => `echo '--- line ${line}' >&2\n${text}`).join('\n');
        if (/:(?:8000|4318)\b/.test(text)) service = await startService(sandbox);
        const end = await sandbox.run(await withPorts(text, service));
        expect([end.code, end.code === 0 ? '' : end.stderr]).toEqual([0, '']);
        await OUTCOMES[path]?.({ sandbox, service, stdout: end.stdout });
      } finally {
        await service?.stop();
        await service?.dispose();
        await sandbox.remove();
      }
    },
    PAGE_MS,
  );
});

/** Starts a service with the secret of the pages, on free ports, with an agent that ends at once. */
function startService(sandbox: Sandbox): Promise<ServiceProcess> {
  const secrets = ['GITHUB_WEBHOOK_SECRET', 'JIRA_WEBHOOK_SECRET', 'SLACK_SIGNING_SECRET'];
  const env = {
    ...sandbox.env,
    ...Object.fromEntries(secrets.map((name) => [name, 'my-very-own-secret'])),
    TASK_LOGS_AGENT_COMMAND: 'cat',
  };
  return ServiceProcess.start({ cwd: sandbox.dir, env });
}

async function withPorts(text: string, service: ServiceProcess | undefined): Promise<string> {
  if (service === undefined) return text;
  return text
    .replaceAll(/(?:localhost|127\.0\.0\.1):8000\b/g, new URL(service.url).host)
    .replaceAll(/(?:localhost|127\.0\.0\.1):4318\b/g, new URL(service.otlpUrl).host);
}
