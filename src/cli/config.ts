import { loadConfig } from '../config/config.ts';
import { processEnvironment } from '../config/environment.ts';
import { type SettingInForce, settingsInForce, shownReceiver } from '../config/in-force.ts';
import { readSettings } from '../config/read-settings.ts';
import { isBelowAgent } from '../config/values/below-agent.ts';
import { TasktrailError } from '../errors.ts';
import { printableText, printableWords } from '../model/printable.ts';
import { MASKS } from '../redact/mask.ts';
import { redact } from '../redact/redact.ts';
import { checkAgents } from '../service/commands.ts';
import { acceptConfigFiles } from '../service/config-guard.ts';
import { checkWebhooks } from '../service/webhooks/webhook-senders.ts';
import { configTable } from './config-table.ts';
import { outputWidth, paintFor } from './terminal/terminal.ts';
import { escapeJson, escapeLine } from './terminal/terminal-text.ts';

/** Fields of the configuration. */
const SECRET = /secret|token|^key$/i;

const SET = '(set)';

/** For output that is no terminal: most lines stay whole, and a terminal that shows it later is rarely narrower. */
const WIDTH = 100;

/** Accepts the configuration files as they are for the next start of a service in this directory. */
export async function acceptConfig(
  flags: Readonly<Record<string, string | undefined>>,
  path: string | undefined,
): Promise<void> {
  if (isBelowAgent(processEnvironment().variables))
    throw new TasktrailError(
      'ERR_CONFLICT',
      'an agent does not accept configuration files: run it in a terminal of your own',
    );
  const config = loadConfig({ flags, ...(path !== undefined && { configFile: path }) });
  await acceptConfigFiles(config);
  const found = config.configFiles.filter(({ sha256 }) => sha256 !== undefined);
  process.stdout.write(`accepted: ${found.map((file) => escapeLine(file.path)).join(', ') || 'no files'}\n`);
}

/** Prints every setting in force, secrets only as set or not. Throws `ERR_CONFIG_INVALID` as the start would. */
export function printConfig(
  flags: Readonly<Record<string, string | undefined>>,
  options: { readonly path: string | undefined; readonly json: boolean },
): void {
  const environment = processEnvironment();
  const config = loadConfig({ flags, ...(options.path !== undefined && { configFile: options.path }) });
  checkAgents(config);
  checkWebhooks(config);
  const settings = settingsInForce(config, readSettings(flags, environment)).map(withoutSecret);
  if (options.json) {
    const shown = { ...config, notify: config.notify.map(shownReceiver) };
    const fields = Object.entries(shown).map(([name, value]) => [name, masked(name, value ?? null)]);
    const json = JSON.stringify({ ...Object.fromEntries(fields), settings }, null, 2);
    // Line by line: the newlines between them are JSON's own.
    process.stdout.write(`${json.split('\n').map(escapeJson).join('\n')}\n`);
    return;
  }
  const layout = { width: outputWidth() ?? WIDTH, paint: paintFor(1), cwd: process.cwd() };
  process.stdout.write(configTable(settings, layout));
  // On standard error, so that the table can be read by a program.
  for (const note of config.notes) process.stderr.write(`tasktrail: ${escapeLine(note)}\n`);
}

function withoutSecret({ isSecret, value, ...setting }: SettingInForce): Omit<SettingInForce, 'isSecret'> {
  const isCommand = setting.name === 'TASK_LOGS_AGENT_COMMAND';
  const shown = isCommand
    ? withoutPasswords(value ?? null, 'command')
    : masked(isSecret ? 'secret' : '', value ?? null);
  return { ...setting, value: shown };
}

/** A secret is only `(set)` or null. In other values, passwords of URLs and known forms of keys are replaced. */
function masked(name: string, value: unknown): unknown {
  if (!SECRET.test(name)) return withoutPasswords(value);
  const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
  return isEmpty ? null : SET;
}

/** `name`: the key whose value it is. */
function withoutPasswords(value: unknown, name = ''): unknown {
  // `secret` of a custom webhook. Names of agents, commands and settings are keys, too, and may hold the word.
  if (name === 'secret') return SET;
  if (typeof value === 'string') return maskedText(value);
  if (Array.isArray(value)) {
    const isCommand = name === 'command' && value.every((item) => typeof item === 'string');
    const items = isCommand ? printableWords(value, SET) : value;
    return items.map((item) => withoutPasswords(item));
  }
  if (typeof value !== 'object' || value === null) return value;
  // Variables that an agent gets: any of them may be a secret.
  if (name === 'env') return Object.fromEntries(Object.keys(value).map((key) => [key, SET]));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutPasswords(item, key)]));
}

/** The patterns of records are a second net: they know forms of keys that stand in any text. */
function maskedText(text: string): string {
  return redact(printableText(text, SET)).replaceAll(MASKS, SET);
}
