import { dirname, join, resolve } from 'node:path';
import { readConfigFile, readPluginFile } from './config-file.ts';
import type { ConfigFile } from './file-schema.ts';
import type { CloudStorageConfig } from './plugin-schema.ts';

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
  readonly problems: readonly string[];
}

export interface FilesOptions {
  readonly cwd: string;
  /** The git root, up to which files of plugins are read. Undefined: only the working directory is searched. */
  readonly root: string | undefined;
  /** Must exist. Default `tasktrail.config.json`, which may be missing. */
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
  return {
    own: own.file,
    ownPath,
    emitWorkflowEvents: firstOf(read, (file) => file.logging?.emit_workflow_events),
    workflowRetentionDays: firstOf(read, (file) => file.types?.workflow?.local_retention_days),
    cloudStorage: firstOf(read, (file) => file.types?.workflow?.cloud_storage),
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
  files: readonly { readonly path: string; readonly file: ConfigFile }[],
  read: (file: ConfigFile) => T | undefined,
): FileValue<T> | undefined {
  for (const { path, file } of files) {
    const value = read(file);
    if (value !== undefined) return { path, value };
  }
  return undefined;
}
