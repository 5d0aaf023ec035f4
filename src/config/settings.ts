import { DEFAULT_FSYNC, type FsyncMode } from '../model/fsync-mode.ts';
import type { JournalFull } from '../model/journal-full.ts';
import { OTEL_SETTINGS, type OtelSettings } from './otel-settings.ts';
import { S3_SETTINGS, type S3Settings } from './s3-settings.ts';
import type { SettingTable } from './setting.ts';
import { COMMAND_LINE } from './values/command-line.ts';
import { BYTES, FSYNC, FULL } from './values/durability.ts';
import { FILE_MODE } from './values/file-mode.ts';
import { ORIGINS } from './values/origins.ts';
import { SECRETS, secret } from './values/secret-text.ts';
import { httpUrl, REDIS_ADDRESS, STORE_ADDRESS, TENANT } from './values/urls.ts';
import { BOOLEAN, count, PORT, text } from './values/value-kinds.ts';
import { VARIABLE_NAMES } from './values/variable-names.ts';

/** The settings that the environment and flags give, with the type of each value. Undefined: not set. */
export interface Settings extends OtelSettings, S3Settings {
  readonly TASK_LOGS_DIR: string | undefined;
  readonly TASK_LOGS_WORKFLOW_DIR: string | undefined;
  readonly TASK_LOGS_FILE_MODE: string;
  readonly TASK_LOGS_FSYNC: FsyncMode;
  readonly TASK_LOGS_JOURNAL_MAX: number | undefined;
  readonly TASK_LOGS_JOURNAL_FULL: JournalFull;
  readonly TASK_LOGS_ENABLED: boolean;
  readonly TASK_LOGS_STORE: boolean;
  readonly TASK_LOGS_STORE_URL: string | undefined;
  readonly TASK_LOGS_TENANT: string | undefined;
  readonly TASK_LOGS_EMIT_WORKFLOW_EVENTS: boolean;
  readonly TASK_LOGS_TRUST_PROJECT_CONFIG: boolean;
  readonly TASK_LOGS_RETENTION_DAYS: number;
  readonly TASK_LOGS_WORKFLOW_RETENTION_DAYS: number;
  readonly TASK_LOGS_COMPRESS_DAYS: number;
  readonly HOST: string;
  readonly PORT: number;
  readonly TASK_LOGS_OTLP_HOST: string | undefined;
  readonly TASK_LOGS_OTLP_PORT: number;
  readonly TASK_LOGS_API_TOKEN: string | undefined;
  readonly TASK_LOGS_CORS_ORIGINS: readonly string[];
  readonly TASK_LOGS_KEY: string | undefined;
  readonly GITHUB_WEBHOOK_SECRET: readonly string[];
  readonly JIRA_WEBHOOK_SECRET: readonly string[];
  readonly SLACK_SIGNING_SECRET: readonly string[];
  readonly GITHUB_TOKEN: string | undefined;
  readonly GITHUB_API_URL: string | undefined;
  readonly REDIS_URL: string | undefined;
  readonly TASK_LOGS_CONCURRENCY: number;
  readonly TASK_LOGS_ATTEMPTS: number;
  readonly TASK_LOGS_AGENT_COMMAND: readonly string[] | undefined;
  readonly TASK_LOGS_AGENT_DIALECT: string | undefined;
  readonly TASK_LOGS_AGENT_ENV: readonly string[];
  readonly TASK_LOGS_AGENT_USER: string | undefined;
  readonly TASK_LOGS_AGENT_LINGER_SECONDS: number;
  readonly TASK_LOGS_AGENT_TELEMETRY: boolean;
}

export type SettingName = keyof Settings;

/** In the order of the documentation. */
export const SETTINGS: SettingTable<Settings> = {
  TASK_LOGS_DIR: {
    kind: text('directory'),
    default: undefined,
    defaultText:
      '`/data/logs/tasks` if writable, else `tasktrail/tasks` in `$XDG_STATE_HOME` or `~/.local/state`',
    group: 'Recording',
    sentence: 'The log directory: all files are written below it.',
    flag: '--dir',
    field: 'logDir',
  },
  TASK_LOGS_WORKFLOW_DIR: {
    kind: text('directory'),
    default: undefined,
    defaultText: '`_workflow` in the log directory',
    group: 'Recording',
    sentence: 'The directory of workflow events and documents.',
    field: 'workflowDir',
    otherwise: ['TASK_LOGS_DIR'],
  },
  TASK_LOGS_FILE_MODE: {
    kind: FILE_MODE,
    default: '0600',
    group: 'Recording',
    sentence:
      'The mode of files below the log directory; folders get the same with permission to enter (`0640`: `0750`). Keys, queue, journal and running agents stay private.',
    field: 'fileMode',
  },
  TASK_LOGS_FSYNC: {
    kind: FSYNC,
    default: DEFAULT_FSYNC,
    group: 'Recording',
    sentence:
      'What a power cut may take: `interval` 200 ms of records and nothing that was answered, `always` its last milliseconds, `never` what the operating system has not written; see [guarantees](guarantees.md#power-cuts).',
    field: 'fsync',
  },
  TASK_LOGS_JOURNAL_MAX: {
    kind: BYTES,
    default: undefined,
    defaultText: 'no bound',
    group: 'Recording',
    sentence:
      'Bytes of all records that wait in the log directory for a destination; more are dropped and counted. Without it they wait until the disk is full; see [long waits](guarantees.md#long-waits).',
    field: 'journalMax',
  },
  TASK_LOGS_JOURNAL_FULL: {
    kind: FULL,
    default: 'oldest',
    group: 'Recording',
    sentence: 'Which waiting records are dropped at `TASK_LOGS_JOURNAL_MAX`.',
    field: 'journalFull',
  },
  TASK_LOGS_ENABLED: {
    kind: BOOLEAN,
    default: true,
    group: 'Recording',
    sentence: '`false`: tasks run, nothing is recorded.',
    field: 'enabled',
  },
  TASK_LOGS_STORE: {
    kind: BOOLEAN,
    default: true,
    group: 'Recording',
    sentence: '`false`: this process never writes the files of tasks, it only sends records.',
    field: 'store',
  },
  TASK_LOGS_STORE_URL: {
    kind: STORE_ADDRESS,
    default: undefined,
    defaultText: 'the files of the log directory',
    group: 'Recording',
    sentence:
      'Where `tasktrail serve` keeps records instead: a VictoriaLogs that any number of such services share; see [beyond one machine](victorialogs.md).',
    flag: '--store',
    field: 'storeUrl',
  },
  TASK_LOGS_TENANT: {
    kind: TENANT,
    default: undefined,
    defaultText: 'that of the address, else 0:0',
    group: 'Recording',
    sentence:
      'The tenant of that VictoriaLogs in which this process reads and writes, the same for its workers; it needs a token of its own. Keys in Redis, the log directory and keys in S3 carry it. See [tenants](victorialogs.md#tenants).',
    field: 'tenant',
  },
  TASK_LOGS_EMIT_WORKFLOW_EVENTS: {
    kind: BOOLEAN,
    default: true,
    group: 'Recording',
    sentence: '`false`: no workflow events are recorded.',
    fileKey: 'logging.emit_workflow_events',
    field: 'emitWorkflowEvents',
  },
  TASK_LOGS_TRUST_PROJECT_CONFIG: {
    kind: BOOLEAN,
    default: false,
    group: 'Recording',
    sentence:
      '`true`: files of a checkout also decide where documents are uploaded and how soon they are removed, see [below](#files-of-a-checkout). No file can set it, `.env` included.',
    isNeverFromFile: true,
  },
  TASK_LOGS_RETENTION_DAYS: {
    kind: count('days'),
    default: 30,
    group: 'Retention',
    sentence: 'A task is removed this long after its end; the service looks at its start and every hour.',
    field: 'retentionDays',
  },
  TASK_LOGS_WORKFLOW_RETENTION_DAYS: {
    kind: count('days'),
    default: 7,
    group: 'Retention',
    sentence:
      'An ended workflow is removed this long after its last event; with S3 only after its upload is verified.',
    fileKey: 'types.workflow.local_retention_days',
    field: 'workflowRetentionDays',
  },
  TASK_LOGS_COMPRESS_DAYS: {
    kind: count('days'),
    default: 7,
    group: 'Retention',
    sentence:
      "A task's output and trace are compressed with gzip this long after its end; REST still reads them.",
    field: 'compressDays',
  },
  PORT: {
    kind: PORT,
    default: 8000,
    group: 'HTTP',
    sentence: 'The port for webhooks, the REST API and `/metrics`.',
    flag: '--port',
    field: 'port',
  },
  HOST: {
    kind: text('host name or address'),
    default: '127.0.0.1',
    group: 'HTTP',
    sentence: 'The address for webhooks and the REST API; other than loopback needs `TASK_LOGS_API_TOKEN`.',
    flag: '--host',
    field: 'host',
  },
  TASK_LOGS_OTLP_PORT: {
    kind: PORT,
    default: 4318,
    group: 'HTTP',
    sentence: 'The port of the OTLP receiver; if the default is taken, a free port is used.',
    flag: '--otlp-port',
    field: 'otlpPort',
  },
  TASK_LOGS_OTLP_HOST: {
    kind: text('host name or address'),
    default: undefined,
    defaultText: '`HOST`',
    group: 'HTTP',
    sentence: 'The address of the OTLP receiver; other than loopback needs `TASK_LOGS_API_TOKEN`.',
    field: 'otlpHost',
    otherwise: ['HOST'],
  },
  TASK_LOGS_API_TOKEN: {
    kind: secret(16),
    default: undefined,
    group: 'HTTP',
    sentence: 'Clients of `/api`, `/metrics` and the OTLP receiver must send this token.',
    isSecret: true,
    field: 'apiToken',
  },
  TASK_LOGS_CORS_ORIGINS: {
    kind: ORIGINS,
    default: [],
    defaultText: 'none',
    group: 'HTTP',
    sentence: 'Pages of these origins may use the API and send telemetry, with the token where one is set.',
    field: 'corsOrigins',
  },
  TASK_LOGS_KEY: {
    kind: secret(32),
    default: undefined,
    defaultText: 'the content of `_key` in the log directory',
    group: 'HTTP',
    sentence: 'Signs the tokens of workers and agents. Machines that share their tasks need the same one.',
    isSecret: true,
    field: 'key',
  },
  GITHUB_WEBHOOK_SECRET: {
    kind: SECRETS,
    default: [],
    group: 'Webhooks',
    sentence: 'The secret of GitHub webhooks; without it they are refused.',
    isSecret: true,
    field: 'githubSecrets',
  },
  JIRA_WEBHOOK_SECRET: {
    kind: SECRETS,
    default: [],
    group: 'Webhooks',
    sentence: 'The secret of Jira webhooks; without it they are refused.',
    isSecret: true,
    field: 'jiraSecrets',
  },
  SLACK_SIGNING_SECRET: {
    kind: SECRETS,
    default: [],
    group: 'Webhooks',
    sentence: 'The signing secret of Slack; without it its requests are refused.',
    isSecret: true,
    field: 'slackSecrets',
  },
  GITHUB_TOKEN: {
    kind: secret(1),
    default: undefined,
    group: 'Webhooks',
    sentence: 'A GitHub token, for the `eyes` reaction on a comment that starts a task.',
    isSecret: true,
    field: 'githubToken',
  },
  GITHUB_API_URL: {
    kind: httpUrl('https://github.example.com/api/v3'),
    default: undefined,
    defaultText: '`https://api.github.com`',
    group: 'Webhooks',
    sentence: 'The GitHub API that gets reactions, for GitHub Enterprise Server.',
    field: 'githubApiUrl',
  },
  REDIS_URL: {
    kind: REDIS_ADDRESS,
    default: undefined,
    defaultText: 'a queue in the process',
    group: 'Queue and agents',
    sentence:
      'The Redis that holds the queue, with user, password and database if it needs them. With `--store`: the Redis by which [one service works for all](victorialogs.md#what-one-service-does-for-all).',
    mayBeInFile: true,
    field: 'redisUrl',
  },
  TASK_LOGS_CONCURRENCY: {
    kind: count('tasks'),
    default: 2,
    group: 'Queue and agents',
    sentence: 'How many tasks run at the same time in a process.',
    field: 'concurrency',
  },
  TASK_LOGS_ATTEMPTS: {
    kind: count('attempts'),
    default: 3,
    group: 'Queue and agents',
    sentence:
      'How often a task is tried if its process is killed; a clean stop does not count as an attempt.',
    field: 'attemptsMax',
  },
  TASK_LOGS_AGENT_COMMAND: {
    kind: COMMAND_LINE,
    default: undefined,
    defaultText: 'a bundled sample',
    group: 'Queue and agents',
    sentence:
      'One agent for all commands: program and arguments, split as a POSIX shell splits words, without expansion.',
  },
  TASK_LOGS_AGENT_DIALECT: {
    kind: text('name of a dialect'),
    default: undefined,
    defaultText: '`auto`: its first message decides',
    group: 'Queue and agents',
    sentence:
      'The output format of `TASK_LOGS_AGENT_COMMAND`: `auto`, `claude`, `codex`, `cursor`, `gemini`, `opencode`, `qwen` or `text`.',
  },
  TASK_LOGS_AGENT_ENV: {
    kind: VARIABLE_NAMES,
    default: [],
    group: 'Queue and agents',
    sentence:
      'Variables of the service that all agents get as well, such as `ANTHROPIC_API_KEY,GITHUB_TOKEN`; for one agent: `agents.<name>.env`.',
    field: 'agentEnv',
  },
  TASK_LOGS_AGENT_USER: {
    kind: text('name of a user, or `uid:gid`'),
    default: undefined,
    defaultText: 'the user of the service',
    group: 'Queue and agents',
    sentence: 'The user that agents run as; needs a service that runs as root.',
    field: 'agentUser',
  },
  TASK_LOGS_AGENT_LINGER_SECONDS: {
    kind: count('seconds'),
    default: 30,
    group: 'Queue and agents',
    sentence:
      'How long an agent may take to exit after its last word; then it is ended, and its last word counts.',
    field: 'agentLingerSeconds',
  },
  TASK_LOGS_AGENT_TELEMETRY: {
    kind: BOOLEAN,
    default: false,
    group: 'Queue and agents',
    sentence: 'Whether agents send their own telemetry, which is stored with their task.',
    field: 'agentTelemetry',
  },
  ...OTEL_SETTINGS,
  ...S3_SETTINGS,
};
