import type { Environment } from './environment.ts';
import { readSecretFile, type SecretFile } from './file/secret-file.ts';
import { SETTINGS, type SettingName, type Settings } from './settings.ts';
import { shortText } from './values/short-text.ts';

/** Where a value comes from; `env file` is `.env`, `file` a configuration file. */
export type Source = 'flag' | 'environment' | 'env file' | 'file' | 'default';

/** The value that a flag or a variable gives, if it is set and valid. */
export type Given = <Name extends SettingName>(name: Name) => NonNullable<Settings[Name]> | undefined;

export interface SettingProblem {
  readonly name: SettingName;
  /** `PORT: must be a port (it is "abc")`. */
  readonly text: string;
}

export interface ReadSettings {
  readonly given: Given;
  /** As `given`, else the default. */
  readonly value: <Name extends SettingName>(name: Name) => Settings[Name];
  /** By setting name. */
  readonly sources: Readonly<Record<string, Source>>;
  /** By setting name: the path of the file that `<NAME>_FILE` names. */
  readonly secretFiles: Readonly<Record<string, string>>;
  readonly problems: readonly SettingProblem[];
}

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS).filter(isSettingName);

export function readSettings(
  flags: Readonly<Record<string, string | undefined>>,
  { variables, envFile }: Environment,
  cwd: string = process.cwd(),
): ReadSettings {
  const files = new Map<SettingName, SecretFile>();
  for (const name of SETTING_NAMES) {
    const file = mayBeInFile(name) ? readSecretFile(name, { variables, cwd }) : undefined;
    if (file !== undefined) files.set(name, file);
  }
  const inFile = (name: SettingName): string | undefined => {
    const file = files.get(name);
    return file !== undefined && 'value' in file ? file.value : undefined;
  };
  const raw = (name: SettingName): string | undefined => {
    const value = flags[name] ?? variables[name];
    // Shells and compose files write "not set" as an empty variable.
    return value === undefined || value === '' ? inFile(name) : value;
  };
  const sourceOf = (name: SettingName): Source => {
    if (raw(name) === undefined) return 'default';
    if (flags[name] !== undefined) return 'flag';
    if (inFile(name) !== undefined) return 'file';
    return envFile?.names.has(name) === true ? 'env file' : 'environment';
  };
  const sources = Object.fromEntries(SETTING_NAMES.map((name) => [name, sourceOf(name)]));
  const problems = SETTING_NAMES.flatMap((name) => {
    const file = files.get(name);
    if (file !== undefined && 'problem' in file) return [{ name, text: file.problem }];
    const value = raw(name);
    const parsed = value === undefined ? undefined : SETTINGS[name].kind.schema.safeParse(value);
    if (value === undefined || parsed?.error === undefined) return [];
    const path = sources[name] === 'env file' ? envFile?.path : file?.path;
    const where = path === undefined ? '' : ` in ${path}`;
    const message = parsed.error.issues[0]?.message ?? 'is not valid';
    return [{ name, text: `${name}: ${message} (it is ${shown(name, value)}${where})` }];
  });
  const given: Given = (name) => {
    const value = raw(name);
    return value === undefined ? undefined : SETTINGS[name].kind.schema.safeParse(value).data;
  };
  const secretFiles = Object.fromEntries([...files].map(([name, { path }]) => [name, path]));
  return { given, value: (name) => given(name) ?? SETTINGS[name].default, sources, secretFiles, problems };
}

/** A note for each variable that looks like a setting and is not used. */
export function uselessVariableNotes(
  variables: Environment['variables'],
  isService: boolean,
): readonly string[] {
  return [...uselessFileNotes(variables, isService), ...(isService ? unknownNameNotes(variables) : [])];
}

/**
 * A note for each `<NAME>_FILE` of a setting that is not read from a file, so that its default is in force. The names without
 * a prefix, such as `PROJECT_FILE`, may be another program's: only the service looks at them.
 */
function uselessFileNotes(variables: Environment['variables'], isService: boolean): readonly string[] {
  return SETTING_NAMES.filter((name) => {
    if (mayBeInFile(name) || (variables[`${name}_FILE`] ?? '') === '') return false;
    return isService || name.startsWith('TASK_LOGS_');
  }).map(
    (name) => `${name}_FILE is not used: set ${name} itself (a file may hold only secrets and REDIS_URL)`,
  );
}

const PREFIX = 'TASK_LOGS_';

/** Variables that tasktrail sets for agents and programs: they have the prefix of settings but are not settings. */
const CARRIED = /^TASK_LOGS_(?:TASK_ID|WORKFLOW_ID|INPUT_FILE|PHASE|STEP|RUN_ID)$/;

/** A note for each variable with the prefix of settings that no setting has: a default is in force in its place. */
function unknownNameNotes(variables: Environment['variables']): readonly string[] {
  return Object.keys(variables).filter(isUnknown).map(unknownNameNote);
}

function isUnknown(name: string): boolean {
  if (!name.startsWith(PREFIX) || CARRIED.test(name)) return false;
  return !isSettingName(name) && !isSettingName(name.replace(/_FILE$/, ''));
}

function unknownNameNote(name: string): string {
  const bare = name.slice(PREFIX.length);
  const advice = isSettingName(bare) ? `use ${bare}` : 'correct the name (tasktrail config lists them)';
  return `${name}: no setting has this name: ${advice}`;
}

/** Whether `<NAME>_FILE` names a file with the value. */
export function mayBeInFile(name: SettingName): boolean {
  return SETTINGS[name].isSecret === true || SETTINGS[name].mayBeInFile === true;
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** Enough to recognize the value, without its secrets. */
function shown(name: SettingName, value: string): string {
  if (SETTINGS[name].isSecret === true) return `${value.length} characters long`;
  return shortText(value);
}
