import type { Dashboard, DataSourceRef, FieldConfig, Panel, RowPanel } from '@grafana/schema';
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  Options as StateTimeline,
  FieldConfig as StateTimelineField,
} from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type {
  Options as Table,
  FieldConfig as TableField,
} from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  Options as TimeSeries,
  FieldConfig as TimeSeriesField,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** The type of the JSON value: enums become their values, and index signatures are removed. */
type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends readonly (infer Item)[]
        ? Plain<Item>[]
        : { [Key in keyof T]: Plain<T[Key]> };

/** A query to Prometheus, as Grafana's editor saves it. The schema has no fields of data sources. */
interface PrometheusQuery {
  refId: string;
  datasource: DataSourceRef;
  editorMode: 'code' | 'builder';
  expr: string;
  legendFormat: string;
  range: boolean;
  instant: boolean;
  exemplar?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
}

type Replaced = 'type' | 'options' | 'fieldConfig' | 'targets' | 'custom';

/** A panel with the options of its kind. The schema allows any object there. */
type PanelOf<Kind extends string, Options, Field> = Plain<
  Omit<Panel, Replaced> & {
    type: Kind;
    options: Options;
    fieldConfig: {
      defaults: Omit<FieldConfig, 'custom'> & { custom?: Field };
      overrides: NonNullable<Panel['fieldConfig']>['overrides'];
    };
  }
> & { targets: PrometheusQuery[] };

type AnyPanel =
  | Plain<RowPanel>
  | PanelOf<'timeseries', TimeSeries, TimeSeriesField>
  | PanelOf<'stat', Stat, never>
  | PanelOf<'bargauge', BarGauge, never>
  | PanelOf<'state-timeline', StateTimeline, StateTimelineField>
  | PanelOf<'table', Table, Partial<TableField>>;

/** A dashboard file with the kinds of panels that the dashboards use. */
export type DashboardFile = Plain<Omit<Dashboard, 'panels'>> & { panels: AnyPanel[] };
