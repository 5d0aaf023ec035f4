import type { Config } from './config.ts';
import type { NotifyReceiver } from './file/notify-receivers.ts';
import { type ReadSettings, SETTING_NAMES, type Source } from './read-settings.ts';
import type { SettingGroup } from './setting.ts';
import { SETTINGS, type SettingName } from './settings.ts';
import { SHORT_FORM_AGENT } from './short-form-agent.ts';

/** A setting, its value, and where that comes from. */
export interface SettingInForce {
  /** `PORT`, or the key of the configuration file: `agents.claude`. */
  readonly name: string;
  readonly group: SettingGroup | 'Configuration file';
  /** Undefined: not set, and there is no default. */
  readonly value: unknown;
  readonly isSecret: boolean;
  readonly source: Source;
  /** With the source `flag`: its name. */
  readonly flag?: string | undefined;
  /** With the sources `file` and `env file`: its path. */
  readonly path?: string | undefined;
  /** With the source `default`: the other setting that gives the value. */
  readonly from?: string | undefined;
}

/** Every setting, in the order of the documentation. Values of secrets are in it. */
export function settingsInForce(config: Config, read: ReadSettings): readonly SettingInForce[] {
  return [...SETTING_NAMES.map((name) => rowOf(name, config, read)), ...fileRows(config)];
}

function rowOf(name: SettingName, config: Config, read: ReadSettings): SettingInForce {
  const { group, isSecret = false, flag, field, otherwise = [], default: fallback } = SETTINGS[name];
  const source = config.sources[name] ?? 'default';
  const resolved = field === undefined ? undefined : valueAt(config, field);
  const isOther = source === 'default' && resolved !== undefined && resolved !== fallback;
  return {
    name,
    group,
    value: resolved ?? read.value(name),
    isSecret,
    source,
    ...(source === 'flag' && { flag }),
    path: config.sourceFiles[name],
    ...(isOther && { from: otherwise.find((other) => (config.sources[other] ?? 'default') !== 'default') }),
  };
}

function fileRows(config: Config): readonly SettingInForce[] {
  const row = (key: string, name: string, value: unknown): SettingInForce => ({
    name,
    group: 'Configuration file',
    value,
    isSecret: false,
    source: config.sources[key] ?? 'default',
    path: config.sourceFiles[key],
  });
  const rows = [row('trigger', 'trigger', config.trigger)];
  for (const key of ['agents', 'commands', 'webhooks'] as const) {
    const entries = Object.entries<unknown>(config[key]);
    if (entries.length === 0) rows.push(row(key, key, undefined));
    for (const [name, value] of entries) {
      const isShortForm =
        key === 'agents' && name === SHORT_FORM_AGENT && config.sources.TASK_LOGS_AGENT_COMMAND !== 'default';
      const own = row(key, `${key}.${name}`, value);
      rows.push(
        isShortForm ? { ...own, source: 'default', path: undefined, from: 'TASK_LOGS_AGENT_COMMAND' } : own,
      );
    }
  }
  const receivers = config.notify.map((one) => row('notify', `notify.${one.name}`, shownReceiver(one)));
  return [...rows, ...(receivers.length === 0 ? [row('notify', 'notify', undefined)] : receivers)];
}

/** Of the URL only the host: the rest of it may be a secret. */
export function shownReceiver({ url, ...receiver }: NotifyReceiver): object {
  return { url: `${new URL(url).origin}/...`, ...receiver };
}

/** `s3.bucket` of the configuration. */
function valueAt(config: Config, path: string): unknown {
  let value: unknown = config;
  for (const key of path.split('.'))
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}
