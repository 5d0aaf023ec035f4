import { dirname, join, resolve } from 'node:path';
import { type CloudStorageConfig, type ConfigFile, readConfigFile, readPluginFile } from './config-file.ts';

/** What the files say together; ours wins over those of the plugins, and of those the nearest. */
export interface FileSettings {
  /** Our own file. */
  readonly own: ConfigFile;
  readonly ownPath: string;
  readonly emitWorkflowEvents: boolean | undefined;
  readonly workflowRetentionDays: number | undefined;
  readonly cloudStorage: { readonly path: string; readonly value: CloudStorageConfig } | undefined;
  readonly problems: readonly string[];
}

export interface FilesOptions {
  readonly cwd: string;
  /** The git root; undefined: only the working directory is looked at. */
  readonly root: string | undefined;
  /** Must be there when it is given; default `tasktrail.config.json`, which need not. */
  readonly configFile: string | undefined;
}

const PLUGINS = ['faber', 'logs'] as const;

export function readFiles({ cwd, root, configFile }: FilesOptions): FileSettings {
  const ownPath = resolve(cwd, configFile ?? 'tasktrail.config.json');
  const own = readConfigFile(ownPath, { required: configFile !== undefined });
  const read = [{ path: ownPath, ...own }];
  for (const dir of directories(cwd, root)) {
    for (const plugin of PLUGINS) {
      const path = join(dir, '.fractary', 'plugins', plugin, 'config.json');
      read.push({ path, ...readPluginFile(path, plugin) });
    }
  }
  const stored = read.find(({ file }) => file.types?.workflow?.cloud_storage !== undefined);
  const cloudStorage = stored?.file.types?.workflow?.cloud_storage;
  return {
    own: own.file,
    ownPath,
    emitWorkflowEvents: firstOf(read, (file) => file.logging?.emit_workflow_events),
    workflowRetentionDays: firstOf(read, (file) => file.types?.workflow?.local_retention_days),
    cloudStorage:
      stored === undefined || cloudStorage === undefined
        ? undefined
        : { path: stored.path, value: cloudStorage },
    problems: read.flatMap(({ problems }) => problems),
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
  files: readonly { readonly file: ConfigFile }[],
  read: (file: ConfigFile) => T | undefined,
): T | undefined {
  for (const { file } of files) {
    const value = read(file);
    if (value !== undefined) return value;
  }
  return undefined;
}
