import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Config, loadConfig } from '../config/config.ts';
import type { Environment } from '../config/environment.ts';
import { TasktrailError } from '../errors.ts';
import { checkAgents } from '../service/commands.ts';
import { checkWebhooks } from '../service/webhooks/webhook-senders.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

type Values = Readonly<Record<string, string | undefined>>;

/** The sources of the settings. */
export interface Settings {
  readonly flags: Values;
  readonly configFile: string | undefined;
  readonly env: Values;
  /** The `.env` file whose variables are in `env`. */
  readonly envFile?: Environment['envFile'];
  readonly cwd: string;
}

interface SettingsResult {
  readonly findings: readonly Finding[];
  /** Names of the settings whose values cannot be used. */
  readonly invalid: ReadonlySet<string>;
  /** Loaded without the invalid settings; undefined when that fails too. */
  readonly config: Config | undefined;
}

/** The prefix of a problem with one setting. */
const SETTING = /^([A-Z][A-Z0-9_]*)(?:: |=| )/;

const FIX = 'correct it, or leave it out';

export function checkSettings(settings: Settings): SettingsResult {
  const problems = problemsOf(settings);
  const config = loadValid(settings, problems);
  const agents = config === undefined ? [] : problemsIn(() => checkAgents(config));
  const webhooks = config === undefined ? [] : problemsIn(() => checkWebhooks(config));
  const found = [...problems, ...agents, ...webhooks].map(problemFinding);
  return {
    config,
    invalid: new Set(found.map(({ where }) => where)),
    findings: [
      ...found,
      ...fileFindings(settings),
      ...(config?.notes ?? []).map(noteFinding),
      ...(config === undefined ? [] : settingFindings(config, problems.length > 0)),
    ],
  };
}

function settingFindings(config: Config, hasProblems: boolean): readonly Finding[] {
  const given = Object.entries(config.sources).filter(([, source]) => source !== 'default');
  const names = given.map(([name, source]) => `${name} (${source})`).join(', ');
  const findings = [ok('settings', describeSet(names, hasProblems))];
  if (!config.enabled) {
    findings.push(
      warning('TASK_LOGS_ENABLED', 'false: nothing is recorded', 'unset it, if that is not intended'),
    );
  }
  return findings;
}

function describeSet(names: string, hasProblems: boolean): string {
  if (names !== '') return hasProblems ? `set and valid: ${names}` : `set: ${names}`;
  return hasProblems ? 'nothing that is set is valid' : 'nothing is set, all defaults';
}

function fileFindings({ configFile, envFile, cwd }: Settings): readonly Finding[] {
  const path = resolve(cwd, configFile ?? 'tasktrail.config.json');
  const own = existsSync(path) ? ok('file', `${path} is read`) : ok('file', `none: there is no ${path}`);
  return envFile === undefined ? [own] : [ok('file', `${envFile.path} is read`), own];
}

/** `cloud_storage in <path> is not used: <what to do>`, or `<variable>: <what is wrong>: <what to do>`. */
function noteFinding(note: string): Finding {
  const [, name] = /^([A-Z][A-Z0-9_]*): /.exec(note) ?? [];
  const text = name === undefined ? note : note.slice(name.length + 2);
  const [what = '', advice = ''] = text.split(/: (.*)/s);
  return warning(name ?? 'file', what, advice);
}

function problemFinding(text: string): Finding {
  const [, name] = SETTING.exec(text) ?? [];
  if (name !== undefined) return problem(name, text.replace(/^[A-Z0-9_]+: /, ''), FIX);
  const at = text.indexOf(': ');
  return at < 0 ? problem('settings', text, FIX) : problem(text.slice(0, at), text.slice(at + 2), FIX);
}

function load({ flags, configFile, env, envFile, cwd }: Settings): Config {
  const environment = { variables: env, envFile };
  return loadConfig({ flags, cwd, ...(configFile !== undefined && { configFile }) }, environment);
}

function problemsOf(settings: Settings): readonly string[] {
  return problemsIn(() => void load(settings));
}

/** `ERR_CONFIG_INVALID` has one problem per line. */
function problemsIn(check: () => void): readonly string[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof TasktrailError && error.code === 'ERR_CONFIG_INVALID')
      return error.message.split('\n');
    throw error;
  }
}

/** Loads the settings without the invalid ones and, if that fails, without the files, so that the other checks can run. */
function loadValid(settings: Settings, problems: readonly string[]): Config | undefined {
  let remaining = problems;
  let { flags, env } = settings;
  for (let isChanged = true; isChanged && remaining.length > 0; ) {
    const names = new Set(remaining.map((text) => SETTING.exec(text)?.[1] ?? ''));
    isChanged = [flags, env].some((values) => [...names].some((name) => (values[name] ?? '') !== ''));
    [flags, env] = [without(flags, names), without(env, names)];
    remaining = problemsOf({ ...settings, flags, env });
  }
  if (remaining.length === 0) return load({ ...settings, flags, env });
  // The root directory has no settings file. Relative paths stay relative to our working directory.
  const noFiles = { flags: absolute(flags, settings.cwd), env: absolute(env, settings.cwd), cwd: '/' };
  const bare = { ...noFiles, configFile: undefined };
  return problemsOf(bare).length === 0 ? load(bare) : undefined;
}

function without(values: Values, names: ReadonlySet<string>): Values {
  return Object.fromEntries(
    Object.entries(values).filter(([name]) => !names.has(name) && !names.has(name.replace(/_FILE$/, ''))),
  );
}

function absolute(values: Values, cwd: string): Values {
  const names = ['TASK_LOGS_DIR', 'TASK_LOGS_WORKFLOW_DIR'].filter((name) => (values[name] ?? '') !== '');
  return { ...values, ...Object.fromEntries(names.map((name) => [name, resolve(cwd, values[name] ?? '')])) };
}
