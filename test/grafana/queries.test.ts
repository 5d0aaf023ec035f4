import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { dashboardQueries, readDashboards } from '../support/dashboard-queries.ts';
import { METRICS, namesIn } from './metric-names.ts';

const run = promisify(execFile);
const queries = dashboardQueries();

test('every panel, variable and alert has a query', () => {
  for (const { uid, panels, templating } of readDashboards()) {
    const asked = queries.filter(({ dashboard }) => dashboard === uid).map(({ panel }) => panel);
    const titles = panels.filter(({ type }) => type !== 'row').map(({ title }) => title);
    const names = templating.list.filter(({ type }) => type === 'query').map(({ name }) => `$${name}`);
    expect(names.length).toBeGreaterThan(0);
    expect([...new Set(asked)].sort()).toEqual([...new Set([...titles, ...names])].sort());
  }
  expect(queries.filter(({ dashboard }) => dashboard === 'alerts')).toHaveLength(11);
});

test('variables of Grafana are replaced by their values', () => {
  expect(queries.filter(({ expr }) => expr.includes('$'))).toEqual([]);
  const [ended] = dashboardQueries({ range: '7m' }).filter(({ panel }) => panel === 'Ended');
  expect(ended?.expr).toContain('tasktrail_tasks_ended_total{gen_ai_agent_name=~".*", ');
  expect(ended?.expr).toContain('[7m]');
});

test('every metric and label of a query exists', () => {
  const wrong = queries.flatMap(({ dashboard, panel, expr }) => {
    const { metrics, groups } = namesIn(expr);
    expect(metrics.size, `${panel}: ${expr}`).toBeGreaterThan(0);
    const labels = new Set([...metrics.keys()].flatMap((name) => METRICS[name] ?? []));
    const unknown = [...metrics].flatMap(([name, asked]) =>
      METRICS[name] === undefined
        ? [name]
        : [...asked]
            .filter((label) => !isLabel(label, METRICS[name] ?? []))
            .map((label) => `${name}{${label}}`),
    );
    const ungrouped = [...groups]
      .filter((label) => !isLabel(label, [...labels]))
      .map((label) => `by (${label})`);
    return [...unknown, ...ungrouped].map((name) => `${dashboard}, ${panel}: ${name}`);
  });
  expect(wrong).toEqual([]);
});

test('every metric is used by at least one query', () => {
  const asked = new Set(queries.flatMap(({ expr }) => [...namesIn(expr).metrics.keys()]));
  expect(Object.keys(METRICS).filter((name) => !asked.has(name))).toEqual([]);
});

test('the names in a query are found, with the labels of their matchers', () => {
  const { metrics, groups } = namesIn(
    'sum by (le, a) (rate(x_bucket{b=~"(c|d)", e!="f"}[5m])) / y offset 1h',
  );
  expect([...metrics]).toEqual([
    ['x_bucket', new Set(['b', 'e'])],
    ['y', new Set()],
  ]);
  expect([...groups]).toEqual(['le', 'a']);
  expect([...namesIn('rate({__name__=~"otelcol_z(_total)?"}[1m])').metrics.keys()]).toEqual(['otelcol_z']);
});

test('rates and quantiles follow the rules of Prometheus and Grafana', () => {
  const texts = readDashboards().flatMap(({ panels }) =>
    panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  );
  // No query has a fixed window: it is the width of a bar, of the time range, or of the rate interval.
  const windows = texts.flatMap((expr) => [...expr.matchAll(/\[([^\]]*)\]/g)].map(([, of]) => of));
  expect(new Set(windows)).toEqual(new Set(['$__range', '$__interval', '$__rate_interval']));
  // A rate needs several scrapes in its window, at any zoom level.
  const rates = texts.flatMap((expr) => [...expr.matchAll(/\brate\([^[]*\[([^\]]*)\]/g)].map(([, of]) => of));
  expect(new Set(rates)).toEqual(new Set(['$__rate_interval']));
  const quantiles = texts.filter((expr) => expr.includes('histogram_quantile'));
  expect(quantiles.length).toBeGreaterThan(10);
  for (const expr of quantiles) expect(expr).toMatch(/^histogram_quantile\([\d.]+, sum by \(le[,)]/);
});

const promtool = await findPromtool();

test.skipIf(promtool === undefined)('promtool accepts every query', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tasktrail-queries-'));
  const check = async (exprs: readonly string[]): Promise<string> => {
    const rules = exprs.map((expr, index) => ({ record: `q${index}`, expr }));
    // JSON is YAML.
    await writeFile(join(folder, 'rules.yaml'), JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    const { stdout, stderr } = await run(promtool ?? '', ['check', 'rules', 'rules.yaml'], {
      cwd: folder,
    }).catch((error: { stdout: string; stderr: string }) => error);
    return stdout + stderr;
  };
  try {
    expect(await check(queries.map(({ expr }) => expr))).toContain(`SUCCESS: ${queries.length} rules found`);
    expect(await check(['sum by (le) (rate(up))'])).toContain('expected type range vector');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.skipIf(promtool === undefined)(
  'promtool accepts the configuration of Prometheus, with and without Docker',
  async () => {
    for (const name of ['prometheus.yaml', 'prometheus.local.yaml']) {
      const file = resolve(import.meta.dirname, '..', '..', 'collector', name);
      const { stdout } = await run(promtool ?? '', ['check', 'config', file]);
      expect(stdout).toContain('SUCCESS');
    }
  },
);

function isLabel(name: string, labels: readonly string[]): boolean {
  return labels.includes(name) || name === 'job' || name === 'instance';
}

/** Undefined when promtool cannot be built. Then only the end-to-end tests check the syntax of the queries. */
async function findPromtool(): Promise<string | undefined> {
  const build = resolve(import.meta.dirname, '..', 'tools', 'build.sh');
  try {
    const { stdout } = await run(build, ['promtool'], { timeout: 240_000 });
    return stdout.trim().split('\n').at(-1);
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    process.stderr.write('skipped: promtool, which checks the queries, is not available\n');
    return undefined;
  }
}
