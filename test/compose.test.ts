import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { findTool } from './support/tool.ts';
import { type Compose, type ComposeService, loadCompose } from './tools/load-compose.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FILE = join(ROOT, 'docker-compose.yml');
const TOKEN = '0123456789abcdef';
const loader = findTool('compose-loader');

/** The other programs' own, as they document them; ours are in src/config.ts. */
const STANDARD = new Set(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);

/** What Docker gives the service beside the compose file; test/dockerfile.test.ts has them in the Dockerfile. */
const OF_IMAGE = { HOST: '0.0.0.0' };

const OBSERVERS = ['collector', 'grafana', 'jaeger', 'loki', 'prepare', 'prometheus', 's3'];

describe.skipIf('missing' in loader)('docker-compose.yml', () => {
  const path = 'path' in loader ? loader.path : '';
  const load = (env: Readonly<Record<string, string>>): Compose => loadCompose(path, FILE, env);
  const withProfiles = (profiles: string): Compose =>
    load({ TASK_LOGS_API_TOKEN: TOKEN, ...(profiles !== '' && { COMPOSE_PROFILES: profiles }) });
  const on = 'path' in loader ? withProfiles('observability') : {};
  const off = 'path' in loader ? withProfiles('') : {};
  const environmentOf = (compose: Compose, name: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(compose[name]?.environment ?? {}).map(([key, value]) => [key, value ?? '']),
    );
  const configOf = (compose: Compose): ReturnType<typeof loadConfig> =>
    loadConfig({ env: { ...OF_IMAGE, ...environmentOf(compose, 'app') }, cwd: tmpdir() });

  test('without the profile it is the service and its queue; with it, all that looks at them', () => {
    expect(Object.keys(off).sort()).toEqual(['app', 'redis']);
    expect(Object.keys(on).sort()).toEqual([...OBSERVERS, 'app', 'redis'].sort());
  });

  test('without a token nothing starts, and the message says how to make one', () => {
    for (const env of [{}, { TASK_LOGS_API_TOKEN: '' }, { COMPOSE_PROFILES: 'observability' }]) {
      expect(() => load(env)).toThrow(/TASK_LOGS_API_TOKEN is missing a value: .*openssl rand -hex 16/);
    }
    // Written without a letter of its own being taken for a variable.
    expect(() => load({})).toThrow('TASK_LOGS_API_TOKEN=$(openssl rand -hex 16)');
  });

  test('the service takes its settings: alone it sends nowhere', () => {
    const config = configOf(off);
    expect(config).toMatchObject({ apiToken: TOKEN, otlpPort: 4320, host: '0.0.0.0', port: 8000 });
    expect(config.redisUrl).toBe('redis://redis:6379');
    expect(config.otlpEndpoint).toBeUndefined();
    expect(config.s3).toBeUndefined();
    expect(config.traceUrls).toEqual([]);
    expect(config.githubSecrets).toEqual([]);
  });

  test.each(['observability', 'observability,mine', 'mine,observability', '*'])(
    'with COMPOSE_PROFILES=%s it sends to the collector and to S3, and knows where traces are shown',
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

  test('the link to Grafana opens Explore with the trace in it', () => {
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

  test('secrets of webhooks and a command come from the environment', () => {
    const given = {
      GITHUB_WEBHOOK_SECRET: 'g$ecret',
      JIRA_WEBHOOK_SECRET: 'jira',
      SLACK_SIGNING_SECRET: 'slack',
      GITHUB_TOKEN: 'token',
      TASK_LOGS_AGENT_COMMAND: 'claude -p --output-format stream-json',
    };
    const config = configOf(load({ TASK_LOGS_API_TOKEN: TOKEN, ...given }));
    expect(config.githubSecrets).toEqual(['g$ecret']);
    expect(config.jiraSecrets).toEqual(['jira']);
    expect(config.slackSecrets).toEqual(['slack']);
    expect(config.githubToken).toBe('token');
    expect(config.agents.default?.command[0]).toBe('claude');
  });

  test('every variable of the service is one that it reads', () => {
    const known = new Set([...Object.keys(loadConfig({ env: {}, cwd: tmpdir() }).sources), ...STANDARD]);
    expect(Object.keys(environmentOf(on, 'app')).filter((name) => !known.has(name))).toEqual([]);
  });

  test('agents, who see what the service has, do not get the token under another name', () => {
    const { TASK_LOGS_API_TOKEN: token, ...others } = environmentOf(on, 'app');
    expect(token).toBe(TOKEN);
    expect(Object.values(others)).not.toContain(TOKEN);
    // Where it belongs: the collector sends to the service.
    expect(environmentOf(on, 'collector').TASK_LOGS_API_TOKEN).toBe(TOKEN);
  });

  test.each([
    ['collector', 'collector/config.yaml', STANDARD],
    ['jaeger', 'collector/jaeger.yaml', new Set<string>()],
  ])('%s is given what its configuration asks for, and nothing else', (name, file, alsoRead) => {
    const asked = variablesIn(readFileSync(join(ROOT, file), 'utf8'));
    expect(asked.size).toBeGreaterThan(1);
    const given = Object.keys(environmentOf(on, name));
    expect(given.filter((one) => !asked.has(one) && !alsoRead.has(one))).toEqual([]);
    const needed = [...asked].filter(([, hasDefault]) => !hasDefault).map(([one]) => one);
    expect(needed.filter((one) => !given.includes(one))).toEqual([]);
  });

  test('whoever is named in an address is there', () => {
    for (const compose of [on, off]) {
      const named = addressesOf(compose).map(([, host]) => host);
      expect(named).toContain('redis');
      expect(named.filter((host) => !Object.hasOwn(compose, host))).toEqual([]);
    }
    // Each with a port that the other one listens on.
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

  test('what writes to S3 finds its bucket', () => {
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

  test('every file that is put into a container exists, and may not be made by Docker when it does not', () => {
    const mounts = Object.values(on).flatMap((service) => service.volumes ?? []);
    const binds = mounts.filter(({ type }) => type === 'bind');
    expect(binds.length).toBeGreaterThan(4);
    expect(binds.map(({ source }) => source).filter((source) => !existsSync(source))).toEqual([]);
    for (const { read_only: isReadOnly, bind } of binds) {
      expect(isReadOnly).toBe(true);
      expect(bind?.create_host_path).toBe(false);
    }
  });

  test('a configuration that names files of its own finds them in its container', () => {
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

  test('Grafana is given each variable that its provisioning files name', () => {
    const folder = join(ROOT, 'grafana/provisioning');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.ya?ml$/.test(name),
    );
    const named = files.flatMap((name) => [
      // `$$` is a dollar; `$__` is Grafana's own.
      ...readFileSync(join(folder, name), 'utf8').matchAll(/(?<!\$)\$\{?([A-Z][A-Z0-9_]+)/g),
    ]);
    const given = environmentOf(on, 'grafana');
    expect(named.map(([, name = '']) => name).filter((name) => !Object.hasOwn(given, name))).toEqual([]);
  });

  test('Prometheus asks services that are there', () => {
    const targets = [
      ...readText('collector/prometheus.yaml').matchAll(/["'[ ]([a-z][a-z0-9-]*):\d+["'\] ]/g),
    ];
    const hosts = targets.map(([, host = '']) => host);
    expect(hosts).toContain('collector');
    expect(hosts.filter((host) => !Object.hasOwn(on, host))).toEqual([]);
  });

  test('nothing is open to other machines', () => {
    const ports = Object.values(on).flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(6);
    for (const { host_ip: ip } of ports) expect(ip).toBe('127.0.0.1');
    const published = ports.map(({ published }) => published);
    expect(new Set(published).size).toBe(published.length);
    // Neither asks who is there.
    for (const name of ['redis', 'loki']) expect(on[name]?.ports ?? []).toEqual([]);
  });

  test('every image has a version', () => {
    for (const [name, { image }] of Object.entries(on)) {
      const tag = image.split('/').at(-1)?.split(':')[1];
      expect.soft(tag, name).toMatch(name === 'app' ? /^local$/ : /^v?\d+\.\d+\.\d+/);
    }
  });

  test('the collector is the version that is built for people without Docker', () => {
    const [, version] = /^ {2}version: (\S+)$/m.exec(readText('collector/builder.yaml')) ?? [];
    expect(on.collector?.image).toBe(`otel/opentelemetry-collector-contrib:${version}`);
  });

  test('who only prepares ends for good, and somebody waits for it: --wait takes any other end for a failure', () => {
    const once = Object.keys(on).filter((name) => on[name]?.restart === 'no');
    expect(once).toEqual(['prepare']);
    for (const name of once) {
      const waiting = Object.values(on).map((service) => service.depends_on?.[name]?.condition);
      expect(waiting).toContain('service_completed_successfully');
    }
    for (const [name, { restart }] of Object.entries(on))
      if (!once.includes(name)) expect.soft(restart, name).toBe('unless-stopped');
  });

  test('every container has limits, and no rights that it does not need', () => {
    for (const [name, service] of Object.entries(on)) {
      expect.soft(service.cap_drop, name).toEqual(['ALL']);
      expect.soft(service.security_opt, name).toEqual(['no-new-privileges:true']);
      expect.soft(service.privileged ?? false, name).toBe(false);
      expect.soft(Number(service.mem_limit), name).toBeGreaterThan(0);
      expect.soft(service.pids_limit, name).toBeGreaterThan(0);
      expect.soft(service.logging?.options?.['max-size'], name).toBeDefined();
    }
  });

  test('the collector has twice the memory at which it begins to refuse', () => {
    const [, limit] = /limit_mib: (\d+)/.exec(readText('collector/config.yaml')) ?? [];
    expect(Number(on.collector?.mem_limit)).toBeGreaterThanOrEqual(2 * Number(limit) * 1024 * 1024);
  });

  test('the service has the time that a clean stop takes', () => {
    const deadlines = [...readText('src/service/start.ts').matchAll(/^const \w+_DEADLINE_MS = ([\d_]+);/gm)];
    const needed = deadlines.reduce((sum, [, ms = '']) => sum + Number(ms.replaceAll('_', '')), 0);
    expect(needed).toBeGreaterThan(5_000);
    const [, seconds] = /^(\d+)s$/.exec(on.app?.stop_grace_period ?? '') ?? [];
    expect(Number(seconds) * 1_000).toBeGreaterThan(needed);
  });

  test('the queue keeps what it has', () => {
    const command = (on.redis?.command ?? []).join(' ');
    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
  });
});

function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function targetsOf(service: ComposeService | undefined): readonly string[] {
  return (service?.volumes ?? []).map(({ target }) => target);
}

/** The variables that a collector's configuration reads, and whether it does without them. Comments do not count. */
function variablesIn(yaml: string): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const line of yaml.split('\n')) {
    if (/^\s*#/.test(line)) continue;
    for (const [, name = '', fallback] of line.matchAll(/\$\{env:(\w+)(:-[^}]*)?\}/g))
      found.set(name, fallback !== undefined);
  }
  return found;
}

/** Who is told which host and port, of those that are no names of this machine or of its own container. */
function addressesOf(compose: Compose): readonly (readonly [string, string, string])[] {
  return Object.entries(compose).flatMap(([name, { environment = {} }]) =>
    Object.values(environment).flatMap((value) => {
      const [, host = '', port = ''] =
        /^(?:[a-z]+:\/\/)?([a-z][a-z0-9-]*):(\d+)(?:\/\S*)?$/.exec(value ?? '') ?? [];
      return host === '' || host === 'localhost' ? [] : [[name, host, port] as const];
    }),
  );
}
