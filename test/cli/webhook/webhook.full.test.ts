import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import type { Trail } from '../../../src/trail/trail.ts';
import { openReceiver, openTrail, type Receiver } from '../../support/receiver.ts';
import { type Run, runCommand } from '../run-command.ts';

let cwd: string;
let trail: Trail;
let receiver: Receiver;

const ENV = {
  GITHUB_WEBHOOK_SECRET: 'the secret of github',
  JIRA_WEBHOOK_SECRET: 'the secret of jira',
  SLACK_SIGNING_SECRET: 'the secret of slack',
  GITLAB_SECRET: 'the token of gitlab',
};

const { publicKey, privateKey } = generateKeyPairSync('ed25519');

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tasktrail-webhook-'));
  const secret = publicKey.export({ format: 'pem', type: 'spki' });
  const webhooks = {
    forge: { preset: 'gitlab', secret: `\${GITLAB_SECRET}` },
    grid: { preset: 'event-grid', secret: 'the code of grid' },
    chat: { preset: 'discord', secret },
    a: { preset: 'gitea', secret: 'the first secret of gitea' },
    b: { preset: 'gitea', secret: 'the other secret of gitea' },
  };
  await writeFile(join(cwd, 'tasktrail.config.json'), JSON.stringify({ webhooks }));
  await writeFile(join(cwd, 'key.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  trail = await openTrail(join(cwd, 'logs'));
  const { webhooks: custom, ...config } = loadConfig({ env: ENV, cwd });
  receiver = await openReceiver({
    github: { secret: config.githubSecrets },
    jira: { secret: config.jiraSecrets },
    slack: { secret: config.slackSecrets },
    custom,
  });
});

afterAll(async () => {
  await receiver.close();
  await trail.shutdown();
  await rm(cwd, { recursive: true, force: true });
});

function webhook(args: readonly string[], env: Record<string, string> = ENV): Promise<Run> {
  return runCommand(['webhook', ...args], { cwd, env });
}

test.each([
  ['github', 'github', '202 Accepted'],
  ['jira', 'jira', '202 Accepted'],
  ['slack', 'slack', '202 Accepted'],
  ['the name in the path', 'forge', '202 Accepted'],
  ['the preset of the only webhook with it', 'gitlab', '202 Accepted'],
  ['a code in the address', 'grid', '202 Accepted'],
])('%s: the delivery starts its command, and no secret is printed', async (_what, name, status) => {
  const started = receiver.tasks.length;
  const run = await webhook([name, '--text', '@agent review the login', '--url', receiver.url]);
  expect(run, run.stderr).toMatchObject({ code: 0, stderr: '' });
  expect(run.stdout).toContain(`POST ${receiver.url}/webhooks/`);
  expect(run.stdout).toContain('review the login');
  expect(run.stdout).toContain(
    `\n${status}\n{"status":"accepted","task_ids":["${receiver.tasks.at(-1)?.id}"]}\n`,
  );
  expect(run.stdout).toContain(`next: tasktrail logs -f ${receiver.tasks.at(-1)?.id}`);
  expect(receiver.tasks.slice(started).map(({ command }) => command)).toEqual(['review']);
  for (const secret of [...Object.values(ENV), 'the code of grid'])
    expect(decodeURIComponent(run.stdout)).not.toContain(secret);
});

test('Ed25519 needs a key of the user, and the message says how to make one', async () => {
  const without = await webhook(['discord', '--text', 'review', '--url', receiver.url]);
  expect(without).toMatchObject({ code: 2, stdout: '' });
  expect(without.stderr).toMatch(/webhooks\.chat\.secret is a public key.*openssl genpkey.*--key key\.pem/s);
  const run = await webhook(['discord', '--text', 'review', '--key', 'key.pem', '--url', receiver.url]);
  expect(run.code, run.stderr).toBe(0);
  expect(run.stdout).toContain('"content":"Started: review"');
});

test('--dry-run prints the request and sends nothing', async () => {
  const started = receiver.tasks.length;
  const run = await webhook(['forge', '--text', '@agent review', '--dry-run', '--port', '8123']);
  expect(run.code).toBe(0);
  expect(run.stdout).toMatch(/^POST http:\/\/127\.0\.0\.1:8123\/webhooks\/forge\n/);
  expect(run.stdout).toContain('X-Gitlab-Token: (secret)\n');
  expect(receiver.tasks.length).toBe(started);
});

test.each<[what: string, args: string[], env: Record<string, string>, code: number, stderr: RegExp]>([
  [
    'another secret',
    ['github'],
    { ...ENV, GITHUB_WEBHOOK_SECRET: 'another secret of github' },
    1,
    /another secret or another clock/,
  ],
  ['an unknown path', ['github', '--url', '/x'], ENV, 1, /does not know \/webhooks\/github/],
  ['no service', ['github', '--url', 'http://127.0.0.1:9'], ENV, 1, /no service answers.*tasktrail start/s],
  ['no secret', ['github'], { ...ENV, GITHUB_WEBHOOK_SECRET: '' }, 2, /GITHUB_WEBHOOK_SECRET is not set/],
  [
    'a preset that is not configured',
    ['zendesk'],
    ENV,
    2,
    /"preset":"zendesk","secret":"\$\{ZENDESK_SECRET\}"/,
  ],
  [
    'a preset that several have',
    ['gitea'],
    ENV,
    2,
    /several webhooks have the preset gitea: name one of a, b/,
  ],
  ['an unknown name', ['acme'], ENV, 2, /no webhook "acme"; known: github, jira, slack, forge/],
  ['an address without a scheme', ['github', '--url', 'localhost'], ENV, 2, /--url: use http/],
  [
    'a file without a key',
    ['discord', '--key', 'tasktrail.config.json'],
    ENV,
    2,
    /--key tasktrail\.config\.json/,
  ],
])(
  '%s ends with an exit code and says what to do',
  async (_what, [name = '', ...args], env, code, stderr) => {
    const url = args.includes('--url') ? [] : ['--url', receiver.url];
    const given = args.map((arg) => (arg.startsWith('/') ? `${receiver.url}${arg}` : arg));
    const run = await webhook([name, '--text', '@agent review', ...url, ...given], env);
    expect(run.code, run.stderr).toBe(code);
    expect(run.stderr).toMatch(stderr);
  },
);

test('a text is needed', async () => {
  expect(await webhook(['github'])).toMatchObject({ code: 2, stdout: '' });
  expect(await webhook(['github', '--text', ' '])).toMatchObject({ code: 2, stdout: '' });
});
