import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

export const GRAFANA: string = resolve(import.meta.dirname, '..', '..', 'grafana');

/** The fields of a dashboard that tests read. test/grafana/schema.test.ts checks all fields against Grafana's types. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly instant: boolean }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  /** An object if the values come from Prometheus, otherwise a string. */
  readonly query: string | { readonly query: string };
  readonly includeAll?: boolean;
  readonly allValue?: string;
}

/** A provisioned alert rule. `A` in `data` is the query to Prometheus, `C` the threshold. */
export interface AlertRule {
  readonly uid: string;
  readonly title: string;
  readonly condition: string;
  readonly for?: string;
  readonly noDataState: string;
  readonly execErrState: string;
  readonly dashboardUid: string;
  readonly panelId: number;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary?: string; readonly description?: string };
  readonly data: readonly {
    readonly refId: string;
    readonly datasourceUid: string;
    readonly model: {
      readonly expr?: string;
      readonly expression?: string;
      readonly conditions?: readonly {
        readonly evaluator: { readonly type: string; readonly params: readonly number[] };
      }[];
    };
  }[];
}

export interface DashboardQuery {
  /** The dashboard's uid, or `alerts`. */
  readonly dashboard: string;
  /** A panel's or an alert's title, or `$name` for a variable. */
  readonly panel: string;
  readonly kind: 'instant' | 'range';
  /** PromQL without Grafana variables. */
  readonly expr: string;
}

/** Values for Grafana's built-in variables. Template variables are set to All. */
export interface Windows {
  readonly rateInterval?: string;
  readonly interval?: string;
  readonly range?: string;
}

/** All queries of the dashboards, their variables and the alerts. */
export function dashboardQueries(windows: Windows = {}): DashboardQuery[] {
  const boards = readDashboards().flatMap((board) => [
    ...board.templating.list.flatMap((variable) => variableQuery(board, variable)),
    ...board.panels.flatMap((panel) => panelQueries(board, panel)),
  ]);
  const alerts = readAlerts().flatMap(alertQueries);
  return [...boards, ...alerts].map((query) => ({ ...query, expr: substitute(query.expr, windows) }));
}

export function readDashboards(): Dashboard[] {
  const folder = join(GRAFANA, 'dashboards');
  // The casts are safe: test/grafana checks the files.
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Dashboard);
}

export function readAlerts(): AlertRule[] {
  const text = readFileSync(join(GRAFANA, 'provisioning', 'alerting', 'tasktrail.yaml'), 'utf8');
  const { groups } = parse(text) as { groups: readonly { rules: readonly AlertRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

function panelQueries(board: Dashboard, panel: Panel): DashboardQuery[] {
  return (panel.targets ?? []).map(({ expr, instant }) => ({
    dashboard: board.uid,
    panel: panel.title,
    kind: instant ? 'instant' : 'range',
    expr,
  }));
}

function variableQuery(board: Dashboard, { name, query }: Variable): DashboardQuery[] {
  if (typeof query === 'string') return [];
  // Grafana uses the label values API. This query returns the same values.
  const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(query.query) ?? [];
  if (metric === undefined)
    throw new TypeError(`$${name} of ${board.uid} is not label_values(metric, label)`);
  const expr = `count by (${label}) (${metric})`;
  return [{ dashboard: board.uid, panel: `$${name}`, kind: 'instant', expr }];
}

function alertQueries({ title, data }: AlertRule): DashboardQuery[] {
  return data.flatMap(({ model: { expr } }) =>
    expr === undefined ? [] : [{ dashboard: 'alerts', panel: title, kind: 'instant', expr }],
  );
}

function substitute(expr: string, { rateInterval = '1m', interval = '1m', range = '15m' }: Windows): string {
  return expr
    .replaceAll('$__rate_interval', rateInterval)
    .replaceAll('$__interval', interval)
    .replaceAll('$__range', range)
    .replaceAll(/"\$\w+"/g, '".*"');
}
