import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { GRAFANA, readAlerts, readDashboards } from '../support/dashboard-queries.ts';

const ROOT = resolve(GRAFANA, '..');
const PROVISIONING = join(GRAFANA, 'provisioning');

interface Datasource {
  readonly uid: string;
  readonly type: string;
  readonly url: string;
  readonly isDefault?: boolean;
  readonly jsonData: Readonly<Record<string, unknown>>;
}

interface Scrape {
  readonly global: { readonly scrape_interval: string };
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly honor_labels?: boolean;
    readonly static_configs: readonly { readonly targets: readonly string[] }[];
  }[];
}

const sourcesText = read('grafana/provisioning/datasources/tasktrail.yaml');
// The cast is safe: the tests below check the contents.
const { datasources } = parse(sourcesText) as { datasources: readonly Datasource[] };
const alerts = readAlerts();
const uids = datasources.map(({ uid }) => uid);

test('each provisioning folder has one file with apiVersion 1', () => {
  for (const folder of ['datasources', 'dashboards', 'alerting']) {
    const names = readdirSync(join(PROVISIONING, folder));
    expect(names).toEqual(['tasktrail.yaml']);
    expect(parse(read(`grafana/provisioning/${folder}/tasktrail.yaml`))).toHaveProperty('apiVersion', 1);
  }
});

test('the dashboards are read from the folder that compose mounts', () => {
  expect(parse(read('grafana/provisioning/dashboards/tasktrail.yaml'))).toMatchObject({
    providers: [{ type: 'file', folder: 'tasktrail', options: { path: '/var/lib/grafana/dashboards' } }],
  });
  expect(mountsOfGrafana()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ source: './grafana/dashboards', target: '/var/lib/grafana/dashboards' }),
      expect.objectContaining({ source: './grafana/provisioning', target: '/etc/grafana/provisioning' }),
    ]),
  );
});

test('there is one data source for metrics, one for traces and one for logs, and metrics are the default', () => {
  expect(datasources.map(({ uid, type }) => [uid, type])).toEqual([
    ['prometheus', 'prometheus'],
    ['jaeger', 'jaeger'],
    ['loki', 'loki'],
  ]);
  expect(datasources.filter(({ isDefault }) => isDefault).map(({ uid }) => uid)).toEqual(['prometheus']);
});

test('each data source has its address from a variable that compose sets', () => {
  const environment = composeGrafana().environment ?? {};
  for (const { uid, url } of datasources) {
    expect(url).toBe(`$${uid.toUpperCase()}_URL`);
    expect(Object.keys(environment)).toContain(url.slice(1));
    expect(environment[url.slice(1)]).toMatch(new RegExp(`^http://${uid}:\\d+$`));
  }
  // All other dollar signs are for Grafana's links, and doubled.
  const others = sourcesText
    .split('\n')
    .filter((line) => !line.startsWith('#') && !/^ {4}url: \$[A-Z]/.test(line));
  expect(
    others
      .join('\n')
      .replaceAll('$$', '')
      .replaceAll('# ', '')
      .match(/\$(?!__rate_interval)/g),
  ).toBeNull();
});

test('points of charts, spans and log lines link to each other', () => {
  const [prometheus, jaeger, loki] = datasources.map(({ jsonData }) => jsonData);
  expect(prometheus).toMatchObject({
    exemplarTraceIdDestinations: [{ name: 'trace_id', datasourceUid: 'jaeger' }],
  });
  expect(jaeger).toMatchObject({
    tracesToLogsV2: {
      datasourceUid: 'loki',
      customQuery: true,
      query: '{service_name=~".+"} | trace_id="$${__trace.traceId}"',
    },
    nodeGraph: { enabled: false },
  });
  expect(loki).toMatchObject({
    derivedFields: [
      { matcherType: 'label', matcherRegex: 'trace_id', datasourceUid: 'jaeger', url: '$${__value.raw}' },
    ],
  });
  for (const uid of sourcesText.matchAll(/datasourceUid: (\S+)/g)) expect(uids).toContain(uid[1]);
});

test('dashboards and alerts use only provisioned data sources', () => {
  const asked = readDashboards().flatMap((board) => [...uidsIn(board)]);
  // The variable `datasource`, which defaults to the provisioned Prometheus, and Grafana's built-in source.
  expect([...new Set(asked)].map((uid) => uid.replace('$', '')).sort()).toEqual([
    '-- Grafana --',
    '{datasource}',
  ]);
  for (const { templating } of readDashboards())
    expect(templating.list[0]).toMatchObject({
      name: 'datasource',
      type: 'datasource',
      query: 'prometheus',
      current: { value: 'prometheus' },
    });
  for (const { data } of alerts)
    expect(data.map(({ datasourceUid }) => datasourceUid)).toEqual(['prometheus', '__expr__']);
});

test('every alert has a delay, a severity, a summary and a description', () => {
  expect(alerts).toHaveLength(11);
  expect(new Set(alerts.map(({ uid }) => uid)).size).toBe(11);
  expect(new Set(alerts.map(({ title }) => title)).size).toBe(11);
  for (const alert of alerts) {
    // Grafana ignores unknown fields without an error.
    expect(Object.keys(alert).sort()).toEqual([
      'annotations',
      'condition',
      'dashboardUid',
      'data',
      'execErrState',
      'for',
      'labels',
      'noDataState',
      'panelId',
      'title',
      'uid',
    ]);
    expect(alert.uid).toMatch(/^tasktrail-[a-z-]{1,30}$/);
    expect(alert.for).toMatch(/^\d+[sm]$/);
    expect(alert.labels.severity).toMatch(/^(warning|critical)$/);
    expect(alert.noDataState).toMatch(/^(OK|Alerting)$/);
    expect(alert.execErrState).toBe('Error');
    expect(alert.annotations.summary?.length, alert.title).toBeGreaterThan(20);
    expect(alert.annotations.description?.length, alert.title).toBeGreaterThan(80);
  }
});

test('every alert compares its query with a threshold and links to its panel', () => {
  for (const { title, condition, data, dashboardUid, panelId } of alerts) {
    expect(data.map(({ refId }) => refId)).toEqual(['A', condition]);
    expect(data[1]?.model, title).toMatchObject({ type: 'threshold', expression: 'A', refId: condition });
    expect(data[0]?.model, title).toMatchObject({ instant: true, range: false });
    const board = readDashboards().find(({ uid }) => uid === dashboardUid);
    const panel = board?.panels.find(({ id }) => id === panelId);
    expect(panel?.type, title).toMatch(/^(timeseries|table|state-timeline)$/);
  }
});

test('without data, only the scrape alert and the holder alert fire', () => {
  const loud = alerts.filter(({ noDataState }) => noDataState === 'Alerting');
  expect(loud.map(({ uid }) => uid)).toEqual(['tasktrail-no-scrape', 'tasktrail-no-holder']);
});

test('the alert file has no dollar sign, which Grafana would expand from its environment', () => {
  expect(read('grafana/provisioning/alerting/tasktrail.yaml')).not.toContain('$');
});

test('Prometheus has the same targets with and without Docker, and the scrape interval that Grafana assumes', () => {
  const [docker, local] = ['prometheus', 'prometheus.local'].map(
    (name) => parse(read(`collector/${name}.yaml`)) as Scrape,
  );
  expect(JSON.parse(JSON.stringify(local).replaceAll('127.0.0.1:', 'collector:'))).toEqual(docker);
  expect(docker?.global.scrape_interval).toBe(datasources[0]?.jsonData.timeInterval);
  expect(
    docker?.scrape_configs.map(({ job_name, honor_labels = false, static_configs }) => [
      job_name,
      honor_labels,
      static_configs.flatMap(({ targets }) => targets),
    ]),
  ).toEqual([
    ['collector-exporter', true, ['collector:8889', 'collector:8890']],
    ['collector', false, ['collector:8888']],
  ]);
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

interface ComposeGrafana {
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly (string | { readonly source: string; readonly target: string })[];
}

function composeGrafana(): ComposeGrafana {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: { grafana: ComposeGrafana };
  };
  return services.grafana;
}

function mountsOfGrafana(): ComposeGrafana['volumes'] {
  return composeGrafana().volumes;
}

function* uidsIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'datasource' && 'uid' in inner) yield String(inner.uid);
    else yield* uidsIn(inner);
  }
}
