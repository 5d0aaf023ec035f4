import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { freePort } from './support/free-port.ts';
import { tempDir } from './support/log-dir.ts';
import { findTool } from './support/tool.ts';
import { until } from './support/until.ts';
import { type Compose, type ComposeService, loadCompose } from './tools/load-compose.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FILE = join(ROOT, 'docker-compose.yml');
const TOKEN = '0123456789abcdef';
const REDIS_PASSWORD = 'redis-password-of-the-test';
const S3_SECRET_KEY = 's3-secret-of-the-test';

/** Every variable without a default. */
const NEEDED = { TASK_LOGS_API_TOKEN: TOKEN, REDIS_PASSWORD, S3_SECRET_KEY };
const loader = findTool('compose-loader');

/** Variables of the AWS SDK. src/config/settings.ts has tasktrail's own. */
const STANDARD = new Set(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);

/** Variables that the Dockerfile sets; test/dockerfile.test.ts checks them. */
const OF_IMAGE = { HOST: '0.0.0.0' };

const OBSERVERS = ['collector', 'grafana', 'jaeger', 'loki', 'prepare', 'prometheus', 's3'];

describe.skipIf('missing' in loader)('docker-compose.yml', () => {
  const path = 'path' in loader ? loader.path : '';
  const load = (env: Readonly<Record<string, string>>): Compose => loadCompose(path, FILE, env);
  const withProfiles = (profiles: string): Compose =>
    load({ ...NEEDED, ...(profiles !== '' && { COMPOSE_PROFILES: profiles }) });
  const on = 'path' in loader ? withProfiles('observability') : {};
  const off = 'path' in loader ? withProfiles('') : {};
  const environmentOf = (compose: Compose, name: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(compose[name]?.environment ?? {}).map(([key, value]) => [key, value ?? '']),
    );
  const configOf = (compose: Compose): ReturnType<typeof loadConfig> =>
    loadConfig({ env: { ...OF_IMAGE, ...environmentOf(compose, 'app') }, cwd: tmpdir() });

  test('without the profile there are the service and its queue, with it also the observers', () => {
    expect(Object.keys(off).sort()).toEqual(['app', 'redis']);
    expect(Object.keys(on).sort()).toEqual([...OBSERVERS, 'app', 'redis'].sort());
  });

  test('without a token nothing starts, and the message says how to make one', () => {
    for (const env of [{}, { TASK_LOGS_API_TOKEN: '' }, { COMPOSE_PROFILES: 'observability' }]) {
      expect(() => load(env)).toThrow(/TASK_LOGS_API_TOKEN is missing a value: .*openssl rand -hex 16/);
    }
    for (const name of ['REDIS_PASSWORD', 'S3_SECRET_KEY'] as const) {
      const { [name]: _left, ...others } = NEEDED;
      expect(() => load({ ...others, COMPOSE_PROFILES: 'observability' })).toThrow(
        new RegExp(`${name} is missing a value: .*openssl rand -hex 16`),
      );
    }
    expect(Object.keys(load({ TASK_LOGS_API_TOKEN: TOKEN, REDIS_PASSWORD }))).toContain('redis');
    // The loader did not expand the dollar sign of the command.
    expect(() => load({})).toThrow('TASK_LOGS_API_TOKEN=$(openssl rand -hex 16)');
  });

  test('the service accepts its settings, and exports nothing without the profile', () => {
    const config = configOf(off);
    expect(config).toMatchObject({ apiToken: TOKEN, otlpPort: 4320, host: '0.0.0.0', port: 8000 });
    expect(config.redisUrl).toBe(`redis://:${REDIS_PASSWORD}@redis:6379`);
    expect(config.otlpEndpoint).toBeUndefined();
    expect(config.s3).toBeUndefined();
    expect(config.traceUrls).toEqual([]);
    expect(config.githubSecrets).toEqual([]);
  });

  test.each(['observability', 'observability,mine', 'mine,observability', '*'])(
    'with COMPOSE_PROFILES=%s the service exports to the collector and S3, and links to the trace viewers',
    (profiles) => {
      const compose = withProfiles(profiles);
      expect(Object.keys(compose)).toContain('collector');
      const config = configOf(compose);
      expect(config.otlpEndpoint).toBe('http://collector:4318');
      expect(config.s3).toMatchObject({ bucket: 'tasktrail-workflows', endpoint: 'http://s3:7070' });
      expect(config.traceUrls).toHaveLength(2);
      expect(config.traceUrls[0]).toBe('http://localhost:16686/trace/{trace_id}');
    },
  );

  test('the link to Grafana opens the trace in Explore', () => {
    const [, template = ''] = configOf(on).traceUrls;
    const url = new URL(template.replaceAll('{trace_id}', 'ab'.repeat(16)));
    expect(url.pathname).toBe('/explore');
    const panes = JSON.parse(url.searchParams.get('panes') ?? '');
    expect(panes).toEqual({
      t: {
        datasource: 'jaeger',
        queries: [{ refId: 'A', query: 'ab'.repeat(16) }],
        range: { from: 'now-24h', to: 'now' },
      },
    });
  });

  test('webhook secrets and the agent command come from the environment', () => {
    const given = {
      GITHUB_WEBHOOK_SECRET: 'g$ecret of the service',
      JIRA_WEBHOOK_SECRET: 'a secret for jira',
      SLACK_SIGNING_SECRET: 'a secret for slack',
      GITHUB_TOKEN: 'token',
      TASK_LOGS_AGENT_COMMAND: 'claude -p --output-format stream-json',
    };
    const config = configOf(load({ ...NEEDED, ...given }));
    expect(config.githubSecrets).toEqual(['g$ecret of the service']);
    expect(config.jiraSecrets).toEqual(['a secret for jira']);
    expect(config.slackSecrets).toEqual(['a secret for slack']);
    expect(config.githubToken).toBe('token');
    expect(config.agents.default?.command[0]).toBe('claude');
  });

  test('the service reads every variable that compose sets for it', () => {
    const known = new Set([...Object.keys(loadConfig({ env: {}, cwd: tmpdir() }).sources), ...STANDARD]);
    // For `TASK_LOGS_AGENT_ENV`, which hands it to agents.
    known.add('ANTHROPIC_API_KEY');
    expect(Object.keys(environmentOf(on, 'app')).filter((name) => !known.has(name))).toEqual([]);
  });

  test('no other variable of the service, which its agents inherit, contains the token', () => {
    const { TASK_LOGS_API_TOKEN: token, ...others } = environmentOf(on, 'app');
    expect(token).toBe(TOKEN);
    expect(Object.values(others)).not.toContain(TOKEN);
    // The collector needs the token to send to the service.
    expect(environmentOf(on, 'collector').TASK_LOGS_API_TOKEN).toBe(TOKEN);
  });

  test.each([
    ['collector', 'collector/config.yaml', STANDARD],
    ['jaeger', 'collector/jaeger.yaml', new Set<string>()],
  ])('%s gets exactly the variables that its configuration reads', (name, file, alsoRead) => {
    const asked = variablesIn(readFileSync(join(ROOT, file), 'utf8'));
    expect(asked.size).toBeGreaterThan(1);
    const given = Object.keys(environmentOf(on, name));
    expect(given.filter((one) => !asked.has(one) && !alsoRead.has(one))).toEqual([]);
    const needed = [...asked].filter(([, hasDefault]) => !hasDefault).map(([one]) => one);
    expect(needed.filter((one) => !given.includes(one))).toEqual([]);
  });

  test('every host in an address is a service', () => {
    for (const compose of [on, off]) {
      const named = addressesOf(compose).map(([, host]) => host);
      expect(named).toContain('redis');
      expect(named.filter((host) => !Object.hasOwn(compose, host))).toEqual([]);
    }
    // The ports are those on which the services listen.
    expect(addressesOf(on)).toEqual(
      expect.arrayContaining([
        ['app', 'collector', '4318'],
        ['app', 's3', '7070'],
        ['collector', 'app', environmentOf(on, 'app').TASK_LOGS_OTLP_PORT],
        ['collector', 'jaeger', '14317'],
        ['collector', 'loki', '3100'],
        ['collector', 's3', '7070'],
        ['grafana', 'prometheus', '9090'],
        ['grafana', 'jaeger', '16686'],
        ['grafana', 'loki', '3100'],
      ]),
    );
  });

  test('the buckets exist, with credentials for the service and the collector', () => {
    const script = on.prepare?.command?.at(-1) ?? '';
    const made = [...script.matchAll(/\/s3\/([a-z0-9.-]{3,63})/g)].map(([, bucket]) => bucket);
    const used = [environmentOf(on, 'app').TASK_LOGS_S3_BUCKET, environmentOf(on, 'collector').S3_BUCKET];
    expect(made.sort()).toEqual(used.sort());
    const secrets = ['app', 'collector'].map((name) => {
      const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = environmentOf(on, name);
      return [id, secret];
    });
    const { ROOT_ACCESS_KEY: id, ROOT_SECRET_KEY: secret } = environmentOf(on, 's3');
    expect(secrets).toEqual([
      [id, secret],
      [id, secret],
    ]);
  });

  test('every mounted file exists, and Docker must not create a missing one', () => {
    const mounts = Object.values(on).flatMap((service) => service.volumes ?? []);
    const binds = mounts.filter(({ type }) => type === 'bind');
    expect(binds.length).toBeGreaterThan(4);
    expect(binds.map(({ source }) => source).filter((source) => !existsSync(source))).toEqual([]);
    for (const { read_only: isReadOnly, bind } of binds) {
      expect(isReadOnly).toBe(true);
      expect(bind?.create_host_path).toBe(false);
    }
  });

  test('the paths in configurations of Jaeger and Grafana are mounted', () => {
    const { JAEGER_UI_CONFIG: ui } = environmentOf(on, 'jaeger');
    expect(targetsOf(on.jaeger)).toContain(ui);
    expect(on.jaeger?.command).toContain(`file:${targetsOf(on.jaeger).find((at) => at.endsWith('.yaml'))}`);
    const providers = join(ROOT, 'grafana/provisioning/dashboards');
    const paths = readdirSync(providers).flatMap((name) => [
      ...readFileSync(join(providers, name), 'utf8').matchAll(/^\s*path:\s*["']?([^\s"'#]+)/gm),
    ]);
    const { GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: home = '' } = environmentOf(on, 'grafana');
    expect(targetsOf(on.grafana)).toContain(dirname(home));
    expect(existsSync(join(ROOT, 'grafana/dashboards', basename(home)))).toBe(true);
    expect(paths.length).toBeGreaterThan(0);
    for (const [, at = ''] of paths) expect(targetsOf(on.grafana)).toContain(at);
  });

  test('Grafana gets every variable that its provisioning files use', () => {
    const folder = join(ROOT, 'grafana/provisioning');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.ya?ml$/.test(name),
    );
    const named = files.flatMap((name) => [
      // `$$` is an escaped dollar sign; `$__` begins a variable of Grafana.
      ...readFileSync(join(folder, name), 'utf8').matchAll(/(?<!\$)\$\{?([A-Z][A-Z0-9_]+)/g),
    ]);
    const given = environmentOf(on, 'grafana');
    expect(named.map(([, name = '']) => name).filter((name) => !Object.hasOwn(given, name))).toEqual([]);
  });

  test('every scrape target of Prometheus is a service', () => {
    const targets = [
      ...readText('collector/prometheus.yaml').matchAll(/["'[ ]([a-z][a-z0-9-]*):\d+["'\] ]/g),
    ];
    const hosts = targets.map(([, host = '']) => host);
    expect(hosts).toContain('collector');
    expect(hosts.filter((host) => !Object.hasOwn(on, host))).toEqual([]);
  });

  test('ports are published on loopback only', () => {
    const ports = Object.values(on).flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(6);
    for (const { host_ip: ip } of ports) expect(ip).toBe('127.0.0.1');
    const published = ports.map(({ published }) => published);
    expect(new Set(published).size).toBe(published.length);
    // Nothing outside needs them.
    for (const name of ['redis', 'loki']) expect(on[name]?.ports ?? []).toEqual([]);
  });

  test('no secret has a default', () => {
    expect(readText('docker-compose.yml')).not.toMatch(
      /(?:PASSWORD|SECRET|SECRET_KEY|TOKEN|ACCESS_KEY):-(?!\}|\$\{TASK_LOGS_API_TOKEN\})/,
    );
    const secrets = [
      environmentOf(on, 's3').ROOT_SECRET_KEY,
      environmentOf(on, 'redis').REDIS_PASSWORD,
      environmentOf(on, 'grafana').GF_SECURITY_ADMIN_PASSWORD,
    ];
    expect(secrets).toEqual([S3_SECRET_KEY, REDIS_PASSWORD, TOKEN]);
  });

  test('every image has a version and a digest', () => {
    for (const [name, { image }] of Object.entries(on)) {
      const tag = image.split('/').at(-1)?.split(':').slice(1).join(':');
      expect
        .soft(tag, name)
        .toMatch(name === 'app' ? /^local$/ : /^v?\d+\.\d+\.\d+(?:-alpine)?@sha256:[0-9a-f]{64}$/);
    }
  });

  test('the collector has the version that collector/build.sh builds', () => {
    const [, version] = /^ {2}version: (\S+)$/m.exec(readText('collector/builder.yaml')) ?? [];
    expect(on.collector?.image.split('@')[0]).toBe(`otel/opentelemetry-collector-contrib:${version}`);
  });

  test('only `prepare` runs once, and services wait for it: --wait treats other exits as failures', () => {
    const once = Object.keys(on).filter((name) => on[name]?.restart === 'no');
    expect(once).toEqual(['prepare']);
    for (const name of once) {
      const waiting = Object.values(on).map((service) => service.depends_on?.[name]?.condition);
      expect(waiting).toContain('service_completed_successfully');
    }
    for (const [name, { restart }] of Object.entries(on))
      if (!once.includes(name)) expect.soft(restart, name).toBe('unless-stopped');
  });

  test('every container has limits and drops all capabilities', () => {
    for (const [name, service] of Object.entries(on)) {
      expect.soft(service.cap_drop, name).toEqual(['ALL']);
      expect.soft(service.security_opt, name).toEqual(['no-new-privileges:true']);
      expect.soft(service.privileged ?? false, name).toBe(false);
      expect.soft(Number(service.mem_limit), name).toBeGreaterThan(0);
      expect.soft(service.pids_limit, name).toBeGreaterThan(0);
      expect.soft(service.logging?.options?.['max-size'], name).toBeDefined();
    }
  });

  test('the collector has twice the memory of its memory_limiter', () => {
    const [, limit] = /limit_mib: (\d+)/.exec(readText('collector/config.yaml')) ?? [];
    expect(Number(on.collector?.mem_limit)).toBeGreaterThanOrEqual(2 * Number(limit) * 1024 * 1024);
  });

  test('the stop grace period exceeds the deadlines of a clean stop', () => {
    const deadlines = [...readText('src/service/start.ts').matchAll(/^const \w+_DEADLINE_MS = ([\d_]+);/gm)];
    const needed = deadlines.reduce((sum, [, ms = '']) => sum + Number(ms.replaceAll('_', '')), 0);
    expect(needed).toBeGreaterThan(5_000);
    const [, seconds] = /^(\d+)s$/.exec(on.app?.stop_grace_period ?? '') ?? [];
    expect(Number(seconds) * 1_000).toBeGreaterThan(needed);
  });

  test('Redis persists its data and never evicts', () => {
    const command = (on.redis?.command ?? []).join(' ');
    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
  });

  const redis = findTool('redis-server');
  test.skipIf('missing' in redis)(
    'Redis refuses who has no password, and its arguments do not show it',
    async () => {
      const directory = await tempDir();
      const port = await freePort();
      const program = 'path' in redis ? redis.path : '';
      const [shell = '', flags = '', script = ''] = on.redis?.command ?? [];
      const here = script.replace('redis-server -', `${program} - --port ${port} --dir ${directory}`);
      const env = { PATH: process.env.PATH ?? '', REDIS_PASSWORD };
      const server = spawn(shell, [flags, here.replaceAll('$$', '$')], { env, stdio: 'ignore' });
      onTestFinished(() => void server.kill('SIGKILL'));
      const reply = (...commands: readonly string[]): Promise<string> => ask(port, commands);
      await until(() => reply('PING').catch(() => undefined), 'Redis to listen');
      expect(await reply('PING')).toContain('NOAUTH');
      expect(await reply('AUTH wrong')).toContain('WRONGPASS');
      expect(await reply(`AUTH ${REDIS_PASSWORD}`, 'PING')).toContain('+PONG');
      if (process.platform === 'linux')
        expect(readFileSync(`/proc/${server.pid}/cmdline`, 'latin1')).not.toContain(REDIS_PASSWORD);
    },
  );
});

/** Sends inline commands to Redis and returns all that it answers. */
function ask(port: number, commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(`${commands.join('\r\n')}\r\nQUIT\r\n`));
    let text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
    });
    socket.once('error', reject).once('close', () => resolve(text));
  });
}

function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function targetsOf(service: ComposeService | undefined): readonly string[] {
  return (service?.volumes ?? []).map(({ target }) => target);
}

/** The variables that a configuration reads outside comments, and whether each has a default. */
function variablesIn(yaml: string): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const line of yaml.split('\n')) {
    if (/^\s*#/.test(line)) continue;
    for (const [, name = '', fallback] of line.matchAll(/\$\{env:(\w+)(:-[^}]*)?\}/g))
      found.set(name, fallback !== undefined);
  }
  return found;
}

/** Per service: the hosts and ports in its variables, without loopback names. */
function addressesOf(compose: Compose): readonly (readonly [string, string, string])[] {
  return Object.entries(compose).flatMap(([name, { environment = {} }]) =>
    Object.values(environment).flatMap((value) => {
      const [, host = '', port = ''] =
        /^(?:[a-z]+:\/\/)?(?:[^@/]*@)?([a-z][a-z0-9-]*):(\d+)(?:\/\S*)?$/.exec(value ?? '') ?? [];
      return host === '' || host === 'localhost' ? [] : [[name, host, port] as const];
    }),
  );
}
