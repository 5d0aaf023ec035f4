import { dirname, resolve } from 'node:path';
import { type EnvFile, readEnvFile } from './env-file.ts';
import { mayComeFromCheckout } from './file/checkout-variables.ts';
import { readSecretFile } from './file/secret-file.ts';
import { SETTINGS, type SettingName } from './settings.ts';
import { isBelowAgent } from './values/below-agent.ts';
import { BOOLEAN } from './values/value-kinds.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** The variables that settings are read from. */
export interface Environment {
  readonly variables: Variables;
  readonly envFile?: AppliedEnvFile | undefined;
  /** Of variables that are not in the table of settings. */
  readonly problems?: readonly string[];
}

/** A `.env` file whose variables are in the environment of this process. */
export interface AppliedEnvFile {
  readonly path: string;
  /** Variables that only the file gives. */
  readonly names: ReadonlySet<string>;
  readonly problems: readonly string[];
  /** A line when variables of the file are not used. */
  readonly notes: readonly string[];
  /** Of the file's content. */
  readonly sha256: string | undefined;
}

/** What the file may decide: for a command that runs in any checkout, nothing about where records go. */
type EnvFileScope = 'service' | 'checkout';

/** They make a program load other code. This process is loaded already, and its children do not get the file's variables. */
const OF_LOADERS = /^(?:NODE_OPTIONS|NODE_PATH|LD_[A-Z_]+|DYLD_[A-Z_]+)$/;

/** A tasktrail command below an agent reads no `.env`, and must record to the same place, or not at all, as the service. */
const FOR_CHILDREN: readonly string[] = ['TASK_LOGS_ENABLED', 'TASK_LOGS_EMIT_WORKFLOW_EVENTS'];
const DIRECTORIES_FOR_CHILDREN: readonly string[] = ['TASK_LOGS_DIR', 'TASK_LOGS_WORKFLOW_DIR'];

let applied: AppliedEnvFile | undefined;

/**
 * Puts the variables of `.env` in the working directory into the environment of this process, where OpenTelemetry's and
 * AWS's packages find them, too. Variables that are set already win, as with `node --env-file`. Only for the command
 * line: a library must not read a file that its user's program does not know of. Below an agent nothing is read: the
 * working directory may be a checkout of a stranger, whose file could send records elsewhere. A command with the scope
 * `checkout` takes only what cannot do that.
 */
export function applyEnvFile(scope: EnvFileScope): void {
  const { env } = process;
  if (isBelowAgent(env)) return;
  applyEnvFileOf(env, scope);
  applyHeaderFiles(env);
}

function applyEnvFileOf(env: NodeJS.ProcessEnv, scope: EnvFileScope): void {
  const file: EnvFile | undefined = readEnvFile('.env');
  if (file === undefined) return;
  const names = new Set<string>();
  const refused: string[] = [];
  const isTrusted = scope === 'service' || trustsCheckouts(env);
  for (const [name, value] of file.values) {
    if (env[name] !== undefined || OF_LOADERS.test(name)) continue;
    if (isNeverFromFile(name) || !(isTrusted || mayComeFromCheckout(name, value))) {
      refused.push(name);
      continue;
    }
    env[name] = value;
    names.add(name);
  }
  const notes = notesOn(file.path, refused);
  applied = { path: file.path, names, problems: file.problems, notes, sha256: file.sha256 };
}

/** Read by OpenTelemetry's package, which knows no files. */
const OF_EXPORTERS: readonly string[] = ['', 'TRACES_', 'LOGS_', 'METRICS_'].map(
  (signal) => `OTEL_EXPORTER_OTLP_${signal}HEADERS`,
);

/** Variables that got their value from such a file; child processes do not get them. */
const fromHeaderFiles = new Set<string>();
const headerProblems: string[] = [];

function applyHeaderFiles(env: NodeJS.ProcessEnv): void {
  for (const name of OF_EXPORTERS) {
    const file = readSecretFile(name, { variables: env, cwd: process.cwd() });
    if (file === undefined) continue;
    if ('problem' in file) {
      // The table has a row for all signals together, which names its own problem.
      if (!Object.hasOwn(SETTINGS, name)) headerProblems.push(file.problem);
      continue;
    }
    env[name] = file.value;
    delete env[`${name}_FILE`];
    fromHeaderFiles.add(name);
  }
}

function trustsCheckouts(env: Variables): boolean {
  return BOOLEAN.schema.safeParse(env.TASK_LOGS_TRUST_PROJECT_CONFIG ?? '').data === true;
}

function isNeverFromFile(name: string): boolean {
  return Object.hasOwn(SETTINGS, name) && SETTINGS[name as SettingName].isNeverFromFile === true;
}

/** Other programs' variables are theirs: only those that tasktrail would have used are named. */
function notesOn(path: string, refused: readonly string[]): readonly string[] {
  const never = refused.filter(isNeverFromFile);
  const named = refused.filter(
    (name) => !isNeverFromFile(name) && (Object.hasOwn(SETTINGS, name) || /^(?:AWS|OTEL)_/.test(name)),
  );
  const notes = never.map((name) => `${name} in ${path} is not used: only the environment sets it`);
  if (named.length > 0) {
    const how = 'set it in the environment, or TASK_LOGS_TRUST_PROJECT_CONFIG=true, if you know the file';
    notes.push(`${named.join(', ')} in ${path} is not used by this command: ${how}`);
  }
  return notes;
}

/** The environment of this process, with the `.env` file that the command line has applied. */
export function processEnvironment(): Environment {
  return { variables: process.env, envFile: applied, problems: headerProblems };
}

/** For a command that records: a line when variables of `.env` are not used, so that records go to fewer places. */
export function envFileNotes(): readonly string[] {
  return applied?.notes ?? [];
}

/** Whether the environment switches recording off, for a program that has not loaded its settings. */
export function isSwitchedOff(): boolean {
  const parsed = BOOLEAN.schema.safeParse(process.env.TASK_LOGS_ENABLED);
  return parsed.success && !parsed.data;
}

/** The environment that a child process starts from: that of this process, without variables that only `.env` gives. */
export function inheritedEnvironment(): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || fromHeaderFiles.has(name)) continue;
    const own = applied?.names.has(name) === true ? valueForChildren(name, value, applied) : value;
    if (own !== undefined) out[name] = own;
  }
  return out;
}

/** Some variables of the environment, for a program that must not see the others. */
export function pickEnvironment(names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

/** Of a variable that only `.env` gives. */
function valueForChildren(name: string, value: string, { path }: AppliedEnvFile): string | undefined {
  if (FOR_CHILDREN.includes(name)) return value;
  // An empty one counts as not set. A child may have another working directory.
  if (DIRECTORIES_FOR_CHILDREN.includes(name)) return value === '' ? '' : resolve(dirname(path), value);
  return undefined;
}
