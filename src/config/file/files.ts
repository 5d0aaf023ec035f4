import { dirname, join, resolve } from 'node:path';
import { readConfigFile, readPluginFile } from './config-file.ts';
import type { ConfigFile } from './file-schema.ts';
import type { CloudStorageConfig } from './plugin-schema.ts';
import { withoutUntrusted } from './untrusted.ts';

/** A value, and the file that gives it. */
export interface FileValue<T> {
  readonly path: string;
  readonly value: T;
}

/** The values of all files: tasktrail.config.json wins over the plugins' files, and of those the nearest wins. */
export interface FileSettings {
  /** tasktrail.config.json. */
  readonly own: ConfigFile;
  readonly ownPath: string;
  readonly emitWorkflowEvents: FileValue<boolean> | undefined;
  readonly workflowRetentionDays: FileValue<number> | undefined;
  readonly cloudStorage: FileValue<CloudStorageConfig> | undefined;
  /** Of tasktrail.config.json, when it is trusted. */
  readonly notify: ConfigFile['notify'];
  readonly problems: readonly string[];
  /** A line for each key that is not used, because the file that has it is not trusted. */
  readonly notes: readonly string[];
  /** Whether a file that is not trusted asks for an upload. */
  readonly asksForUpload: boolean;
  /** Every place that was looked at. */
  readonly files: readonly SeenFile[];
}

/** A place where a configuration file may be. */
export interface SeenFile {
  readonly path: string;
  /** Of its content; undefined: there is no such file, or it cannot be read. */
  readonly sha256: string | undefined;
}

export interface FilesOptions {
  readonly cwd: string;
  /** The git root, up to which files of plugins are read. Undefined: only the working directory is searched. */
  readonly root: string | undefined;
  /** Must exist. Default `tasktrail.config.json`, which may be missing. */
  readonly configFile: string | undefined;
  /** Whether the files of plugins, and tasktrail.config.json, decide where documents go and what is removed. */
  readonly trusts: { readonly plugins: boolean; readonly own: boolean };
}

/** As if there were no file at all. */
export const NO_FILES: FileSettings = {
  own: {},
  ownPath: '',
  emitWorkflowEvents: undefined,
  workflowRetentionDays: undefined,
  cloudStorage: undefined,
  notify: undefined,
  problems: [],
  notes: [],
  asksForUpload: false,
  files: [],
};

const PLUGINS = ['faber', 'logs'] as const;

export function readFiles({ cwd, root, configFile, trusts }: FilesOptions): FileSettings {
  const ownPath = resolve(cwd, configFile ?? 'tasktrail.config.json');
  const own = { path: ownPath, ...readConfigFile(ownPath, { required: configFile !== undefined }) };
  const plugins = directories(cwd, root).flatMap((dir) =>
    PLUGINS.map((plugin) => {
      const path = join(dir, '.fractary', 'plugins', plugin, 'config.json');
      return { path, ...readPluginFile(path, plugin) };
    }),
  );
  const bounded = [
    withoutUntrusted(own, trusts.own),
    ...plugins.map((file) => withoutUntrusted(file, trusts.plugins)),
  ];
  const cloudStorage = firstOf(bounded, (file) => file.types?.workflow?.cloud_storage);
  return {
    own: own.file,
    ownPath,
    emitWorkflowEvents: firstOf(bounded, (file) => file.logging?.emit_workflow_events),
    workflowRetentionDays: firstOf(bounded, (file) => file.types?.workflow?.local_retention_days),
    cloudStorage,
    notify: bounded[0]?.file.notify,
    problems: bounded.flatMap(({ problems }) => problems),
    notes: bounded.flatMap(({ notes }) => notes),
    // A trusted file that says whether there is an upload wins over one that is not trusted.
    asksForUpload: cloudStorage === undefined && bounded.some(({ asksForUpload }) => asksForUpload),
    files: [own, ...plugins].map(({ path, sha256 }) => ({ path, sha256 })),
  };
}

/** From the working directory up to the git root. */
function directories(cwd: string, root: string | undefined): readonly string[] {
  const found = [cwd];
  for (let dir = cwd; root !== undefined && dir !== root && dir !== dirname(dir); ) {
    dir = dirname(dir);
    found.push(dir);
  }
  return found;
}

function firstOf<T>(
  files: readonly { readonly path: string; readonly file: ConfigFile }[],
  read: (file: ConfigFile) => T | undefined,
): FileValue<T> | undefined {
  for (const { path, file } of files) {
    const value = read(file);
    if (value !== undefined) return { path, value };
  }
  return undefined;
}
