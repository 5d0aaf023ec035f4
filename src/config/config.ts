import { createHash } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { TasktrailError } from '../errors.ts';
import type { FsyncMode } from '../model/fsync-mode.ts';
import type { JournalFull } from '../model/journal-full.ts';
import { addressOfTenant, s3PrefixOfTenant } from '../model/tenant.ts';
import { contradictions } from './contradictions.ts';
import { type Environment, processEnvironment } from './environment.ts';
import type { AgentConfig, CommandConfig } from './file/agent-schema.ts';
import { DEFAULT_TRIGGER } from './file/file-schema.ts';
import { type FileSettings, NO_FILES, readFiles, type SeenFile } from './file/files.ts';
import { type NotifyReceiver, resolveNotify } from './file/notify-receivers.ts';
import type { RedactRule } from './file/redact-schema.ts';
import { gitConfigFile, gitRoot, remoteOwner } from './git.ts';
import { type MetricsConfig, resolveMetrics } from './metrics.ts';
import { defaultLogDir, directoryOfTenant } from './place/log-dir.ts';
import { type ReadSettings, readSettings, type Source, uselessVariableNotes } from './read-settings.ts';
import { type ResolvedS3, resolveS3, type S3Config } from './s3.ts';
import { SETTINGS, type SettingName } from './settings.ts';
import { resolveAgents, unknownAgents } from './short-form-agent.ts';
import { hasAgentEndpoint, isBelowAgent } from './values/below-agent.ts';
import { type CustomWebhook, resolveWebhooks } from './webhooks.ts';

/** All settings, resolved: flag, then environment, then `.env` (command line only), then file, then default. Deeply frozen. */
export interface Config {
  /** False: tasks run, nothing is recorded. */
  readonly enabled: boolean;
  readonly logDir: string;
  readonly workflowDir: string;
  /** Octal, of files below the log directory. Folders get the permission to enter too. */
  readonly fileMode: string;
  /** When the journal and the line files are synced. */
  readonly fsync: FsyncMode;
  /** Bytes of waiting records, of all processes in the log directory; undefined: no bound. */
  readonly journalMax: number | undefined;
  /** Which of them are dropped at the bound. */
  readonly journalFull: JournalFull;
  /** False: this process never holds the log directory, it only sends. */
  readonly store: boolean;
  /** A task is removed this many days after its end. */
  readonly retentionDays: number;
  /** An ended workflow is removed this many days after its last event; with S3 not before its upload is verified. */
  readonly workflowRetentionDays: number;
  /** A task's output and trace are compressed this many days after its end. */
  readonly compressDays: number;
  /** Destination of workflow documents; undefined: they are not uploaded. */
  readonly s3: S3Config | undefined;
  readonly emitWorkflowEvents: boolean;
  readonly host: string;
  readonly port: number;
  readonly otlpHost: string;
  readonly otlpPort: number;
  /** True: `otlpPort` was set, and it is an error if the port is taken. False: then a free port is used. */
  readonly otlpPortIsExplicit: boolean;
  readonly apiToken: string | undefined;
  /** Origins whose pages may use the API and send telemetry; empty: none. */
  readonly corsOrigins: readonly string[];
  /** Signs the tokens of senders; undefined: the key in the log directory does. */
  readonly key: string | undefined;
  /** The second destination of records; undefined when none is set. */
  readonly otlpEndpoint: string | undefined;
  /** Where spans go instead, used unchanged. */
  readonly otlpTracesEndpoint: string | undefined;
  /** Where log records go instead, used unchanged. */
  readonly otlpLogsEndpoint: string | undefined;
  /** Destination of metrics; undefined: they are not sent. */
  readonly metrics: MetricsConfig | undefined;
  /** Rules that redaction follows besides its own. */
  readonly redactRules: readonly RedactRule[];
  readonly serviceName: string;
  readonly project: string;
  readonly environment: string;
  /** Several while one replaces another; empty: none is set. */
  readonly githubSecrets: readonly string[];
  readonly jiraSecrets: readonly string[];
  readonly slackSecrets: readonly string[];
  /** Webhooks of other senders, by the name in their path. */
  readonly webhooks: Readonly<Record<string, CustomWebhook>>;
  /** Where notifications are sent. */
  readonly notify: readonly NotifyReceiver[];
  /** The Redis that holds the queue; undefined: the queue is in this process. */
  readonly redisUrl: string | undefined;
  /** The VictoriaLogs in which `serve` keeps records, with its tenant; undefined: in the log directory. */
  readonly storeUrl: string | undefined;
  readonly tenant: string | undefined;
  readonly githubToken: string | undefined;
  /** Undefined: `https://api.github.com`. */
  readonly githubApiUrl: string | undefined;
  readonly trigger: string;
  readonly agents: Readonly<Record<string, AgentConfig>>;
  /** Names of variables of this process that every agent gets. */
  readonly agentEnv: readonly string[];
  /** The user that agents run as: a name, or `uid:gid`. Undefined: the user of this process. */
  readonly agentUser: string | undefined;
  /** For an agent to exit after its last word. */
  readonly agentLingerSeconds: number;
  /** Whether agents send their own telemetry, unless `agents.<name>.telemetry` says otherwise. */
  readonly agentTelemetry: boolean;
  readonly commands: Readonly<Record<string, CommandConfig>>;
  /** Tasks that run at the same time in this process. */
  readonly concurrency: number;
  /** How often a task is tried when its process is killed; an attempt that a clean stop ended does not count. */
  readonly attemptsMax: number;
  /** URL templates of pages that show a trace, with `{trace_id}` and optionally `{task_id}` and `{workflow_id}`. */
  readonly traceUrls: readonly string[];
  /** A line for each value of a file that is not used, because its file is not trusted. */
  readonly notes: readonly string[];
  /** Whether a file that is not trusted asks for an upload. Workflows are kept then: consent may follow. */
  readonly asksForUpload: boolean;
  /** The working directory that files were looked for in. */
  readonly directory: string;
  /** Every place where a configuration file was looked for, and the git configuration if it names the bucket. */
  readonly configFiles: readonly SeenFile[];
  /** The log directory as it is without `.env`: what is remembered about that file must not be where the file says. */
  readonly memoryDir: string;
  /** Where each setting comes from, by the name of its variable or its key in the configuration file. */
  readonly sources: Readonly<Record<string, Source>>;
  /** Path of the file that gives a setting, for the sources `file` and `env file`. */
  readonly sourceFiles: Readonly<Record<string, string>>;
}

export interface ConfigOptions {
  /** For a command that only records or reads: problems of S3, of webhooks and of the service's settings do not stop it. */
  readonly recordsOnly?: boolean;
  /** For another command that is not the service: problems of the service's settings do not stop it. */
  readonly withoutService?: boolean;
  /** For a command whose log directory is named, whatever the tenant of the VictoriaLogs is. */
  readonly isOfAllTenants?: boolean;
  /** By setting name, e.g. `{ PORT: '0' }`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Must exist. Default: `tasktrail.config.json` in `cwd`, which may be missing. */
  readonly configFile?: string;
  /** Default: the environment of this process. A `.env` file is not read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the working directory of this process. */
  readonly cwd?: string;
}

/** Settings that nothing but the service reads. The environment may have them for another program: PORT above all. */
const OF_SERVICE: ReadonlySet<SettingName> = new Set([
  'PORT',
  'GITHUB_WEBHOOK_SECRET',
  'JIRA_WEBHOOK_SECRET',
  'SLACK_SIGNING_SECRET',
  'GITHUB_TOKEN',
  'GITHUB_API_URL',
  'REDIS_URL',
  'TASK_LOGS_CONCURRENCY',
  'TASK_LOGS_ATTEMPTS',
]);

/**
 * Throws `ERR_CONFIG_INVALID` listing every problem, each with the setting's name. `environment` is for callers that know
 * which variables a `.env` file gives; without it `options.env` is read.
 */
export function loadConfig(
  options: ConfigOptions = {},
  environment: Environment = options.env === undefined ? processEnvironment() : { variables: options.env },
): Config {
  const { variables, envFile } = environment;
  const cwd = resolve(options.cwd ?? process.cwd());
  const root = gitRoot(cwd);
  const read = readSettings(options.flags ?? {}, environment, cwd);
  const trusts = trustsOf(read, options);
  const files = isBelowAgent(variables)
    ? NO_FILES
    : readFiles({ cwd, root, configFile: options.configFile, trusts });
  const { commands = {}, trigger = DEFAULT_TRIGGER } = files.own;
  const agents = resolveAgents(read.given, files.own.agents);
  const project = basename(root ?? cwd) || 'unknown';
  const { s3, fromFile, ...archive } = resolveS3({
    given: read.given,
    file: files.cloudStorage,
    org: () => read.given('ORG') ?? (root === undefined ? undefined : remoteOwner(root)),
    project: read.given('PROJECT') ?? project,
    mayCheckoutNameBucket: trusts.own,
  });
  const webhooks = resolveWebhooks(files.own.webhooks, files.ownPath, { variables, cwd });
  const notify = resolveNotify(files.notify, files.ownPath, { variables, cwd });
  const isService = options.recordsOnly !== true && options.withoutService !== true;
  const problems = [
    ...(envFile?.problems ?? []),
    ...(environment.problems ?? []),
    ...read.problems.filter(({ name }) => isService || !OF_SERVICE.has(name)).map(({ text }) => text),
    ...files.problems,
    ...unknownAgents(agents, commands, files.ownPath),
    ...contradictions(read, isService),
    ...(options.recordsOnly === true ? [] : [...archive.problems, ...webhooks.problems, ...notify.problems]),
  ];
  if (problems.length > 0) throw new TasktrailError('ERR_CONFIG_INVALID', problems.join('\n'));
  return deepFreeze({
    ...variableFields(read, { ...options, cwd, variables }),
    ...(options.recordsOnly === true && read.value('TASK_LOGS_STORE') && hasAgentEndpoint(variables)
      ? NO_ENDPOINTS
      : {}),
    ...sharedFields(read, files),
    s3: s3 && { ...s3, prefix: s3PrefixOfTenant(s3.prefix, read.value('TASK_LOGS_TENANT')) },
    ...{ project, webhooks: webhooks.found, notify: notify.found, trigger, agents, commands },
    notes: [
      ...(envFile?.notes ?? []),
      ...files.notes,
      ...archive.notes,
      ...uselessVariableNotes(variables, isService),
    ],
    asksForUpload: s3 === undefined && (files.asksForUpload || archive.asksForUpload),
    directory: cwd,
    configFiles: [
      ...(envFile === undefined ? [] : [envFile]),
      ...files.files,
      ...gitFiles(root, archive),
    ].map(({ path, sha256 }) => ({ path, sha256 })),
    memoryDir: memoryDirOf(read, environment, cwd),
    ...sourcesOf(read, { files, fromFile, envFile }),
    redactRules: files.own.redact?.rules ?? [],
  });
}

/**
 * A command that only records runs in any checkout. There tasktrail.config.json came with the checkout as well, unless the
 * user names it. The directory in which a service is started is the service's own.
 */
function trustsOf(read: ReadSettings, options: ConfigOptions): { plugins: boolean; own: boolean } {
  const plugins = read.value('TASK_LOGS_TRUST_PROJECT_CONFIG');
  return { plugins, own: plugins || options.recordsOnly !== true || options.configFile !== undefined };
}

const NO_ENDPOINTS = {
  otlpEndpoint: undefined,
  otlpTracesEndpoint: undefined,
  otlpLogsEndpoint: undefined,
};

interface Place extends Pick<Environment, 'variables'>, Pick<ConfigOptions, 'isOfAllTenants'> {
  readonly cwd: string;
}

/** The fields that only flags and variables give. */
function variableFields(
  read: ReadSettings,
  { cwd, variables, isOfAllTenants = false }: Place,
): Omit<Config, SharedField | FileField> {
  const { given, value } = read;
  const host = value('HOST');
  const placed = (path: string): string =>
    isOfAllTenants ? resolve(cwd, path) : directoryOfTenant(resolve(cwd, path), value('TASK_LOGS_TENANT'));
  const logDir = placed(value('TASK_LOGS_DIR') ?? defaultLogDir(variables));
  const workflowDir = given('TASK_LOGS_WORKFLOW_DIR');
  const resource = parseResource(value('OTEL_RESOURCE_ATTRIBUTES'));
  return {
    enabled: value('TASK_LOGS_ENABLED'),
    logDir,
    workflowDir: workflowDir === undefined ? join(logDir, '_workflow') : placed(workflowDir),
    fileMode: value('TASK_LOGS_FILE_MODE'),
    fsync: value('TASK_LOGS_FSYNC'),
    journalMax: value('TASK_LOGS_JOURNAL_MAX'),
    journalFull: value('TASK_LOGS_JOURNAL_FULL'),
    store: value('TASK_LOGS_STORE'),
    retentionDays: value('TASK_LOGS_RETENTION_DAYS'),
    compressDays: value('TASK_LOGS_COMPRESS_DAYS'),
    host,
    port: value('PORT'),
    otlpHost: value('TASK_LOGS_OTLP_HOST') ?? host,
    otlpPort: given('TASK_LOGS_OTLP_PORT') ?? defaultOtlpPort(value('PORT')),
    otlpPortIsExplicit: given('TASK_LOGS_OTLP_PORT') !== undefined,
    apiToken: value('TASK_LOGS_API_TOKEN'),
    corsOrigins: value('TASK_LOGS_CORS_ORIGINS'),
    key: value('TASK_LOGS_KEY'),
    otlpEndpoint: value('OTEL_EXPORTER_OTLP_ENDPOINT'),
    otlpTracesEndpoint: value('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'),
    otlpLogsEndpoint: value('OTEL_EXPORTER_OTLP_LOGS_ENDPOINT'),
    metrics: resolveMetrics(read),
    serviceName: given('OTEL_SERVICE_NAME') ?? resource.get('service.name') ?? value('OTEL_SERVICE_NAME'),
    environment:
      given('FRACTARY_ENV') ?? resource.get('deployment.environment.name') ?? value('FRACTARY_ENV'),
    githubSecrets: value('GITHUB_WEBHOOK_SECRET'),
    jiraSecrets: value('JIRA_WEBHOOK_SECRET'),
    slackSecrets: value('SLACK_SIGNING_SECRET'),
    redisUrl: value('REDIS_URL'),
    storeUrl: addressOfTenant(value('TASK_LOGS_STORE_URL'), value('TASK_LOGS_TENANT')),
    tenant: value('TASK_LOGS_TENANT'),
    githubToken: value('GITHUB_TOKEN'),
    githubApiUrl: value('GITHUB_API_URL')?.replace(/\/+$/, ''),
    agentEnv: value('TASK_LOGS_AGENT_ENV'),
    agentUser: value('TASK_LOGS_AGENT_USER'),
    agentLingerSeconds: value('TASK_LOGS_AGENT_LINGER_SECONDS'),
    agentTelemetry: value('TASK_LOGS_AGENT_TELEMETRY'),
    concurrency: value('TASK_LOGS_CONCURRENCY'),
    attemptsMax: value('TASK_LOGS_ATTEMPTS'),
    traceUrls: value('TASK_LOGS_TRACE_URL'),
  };
}

type SharedField = 'workflowRetentionDays' | 'emitWorkflowEvents';
type FileField =
  | 's3'
  | 'project'
  | 'webhooks'
  | 'notify'
  | 'trigger'
  | 'agents'
  | 'commands'
  | 'notes'
  | 'asksForUpload'
  | 'directory'
  | 'configFiles'
  | 'memoryDir'
  | 'redactRules'
  | 'sources'
  | 'sourceFiles';

/** The fields that variables and files give. */
function sharedFields({ given, value }: ReadSettings, files: FileSettings): Pick<Config, SharedField> {
  return {
    workflowRetentionDays:
      given('TASK_LOGS_WORKFLOW_RETENTION_DAYS') ??
      files.workflowRetentionDays?.value ??
      value('TASK_LOGS_WORKFLOW_RETENTION_DAYS'),
    emitWorkflowEvents:
      given('TASK_LOGS_EMIT_WORKFLOW_EVENTS') ??
      files.emitWorkflowEvents?.value ??
      value('TASK_LOGS_EMIT_WORKFLOW_EVENTS'),
  };
}

/** Not the port of the webhooks; 0 is a free one. */
function defaultOtlpPort(port: number): number {
  const standard = SETTINGS.TASK_LOGS_OTLP_PORT.default;
  return port === standard ? 0 : standard;
}

interface Origins {
  readonly files: FileSettings;
  /** Settings of S3 that a file gives. */
  readonly fromFile: ResolvedS3['fromFile'];
  readonly envFile: Environment['envFile'];
}

/** The sources of variables and flags, and beside them those that only files give. */
function sourcesOf(
  { sources: read, secretFiles }: ReadSettings,
  { files, fromFile, envFile }: Origins,
): Pick<Config, 'sources' | 'sourceFiles'> {
  const sources = { ...read };
  const sourceFiles: Record<string, string> = { ...secretFiles };
  for (const [name, source] of Object.entries(read))
    if (source === 'env file' && envFile !== undefined) sourceFiles[name] = envFile.path;
  const setFile = (name: string, path: string | undefined): void => {
    if (path === undefined || (sources[name] ?? 'default') !== 'default') return;
    sources[name] = 'file';
    sourceFiles[name] = path;
  };
  for (const name of fromFile) setFile(name, files.cloudStorage?.path);
  setFile('TASK_LOGS_EMIT_WORKFLOW_EVENTS', files.emitWorkflowEvents?.path);
  setFile('TASK_LOGS_WORKFLOW_RETENTION_DAYS', files.workflowRetentionDays?.path);
  for (const name of ['trigger', 'agents', 'commands', 'webhooks', 'notify'] as const)
    if (files.own[name] !== undefined) setFile(name, files.ownPath);
  return { sources, sourceFiles };
}

/** The content is what is read of it: agents change the rest, as `git push -u` does. */
function gitFiles(
  root: string | undefined,
  { isNamedByCheckout }: Pick<ResolvedS3, 'isNamedByCheckout'>,
): readonly SeenFile[] {
  if (root === undefined || !isNamedByCheckout) return [];
  const names = `${root}\n${remoteOwner(root) ?? ''}`;
  return [{ path: gitConfigFile(root), sha256: createHash('sha256').update(names).digest('hex') }];
}

function memoryDirOf(read: ReadSettings, { variables, envFile }: Environment, cwd: string): string {
  const names = envFile?.names ?? new Set();
  const given = read.sources.TASK_LOGS_DIR === 'env file' ? undefined : read.given('TASK_LOGS_DIR');
  const others = Object.fromEntries(Object.entries(variables).filter(([name]) => !names.has(name)));
  const home = names.has('HOME') ? userInfo().homedir : homedir();
  return resolve(cwd, given ?? defaultLogDir(others, home));
}

/** https://opentelemetry.io/docs/specs/otel/resource/sdk/ */
function parseResource(text: string | undefined): Map<string, string> {
  const out = new Map<string, string>();
  for (const pair of (text ?? '').split(',')) {
    const at = pair.indexOf('=');
    if (at > 0) out.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
  }
  return out;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
