import { type Config, loadConfig } from '../config/config.ts';
import { redact } from '../redact/redact.ts';
import { checkAgents } from '../service/commands.ts';

const SECRET = /secret|token/i;

/** Prints every setting in force; secrets only as present or not. Throws `ERR_CONFIG_INVALID` as the start would. */
export function printConfig(
  flags: Readonly<Record<string, string | undefined>>,
  options: { readonly path: string | undefined; readonly json: boolean },
): void {
  const config = loadConfig({ flags, ...(options.path !== undefined && { configFile: options.path }) });
  checkAgents(config);
  const shown = Object.fromEntries(
    Object.entries(config).map(([name, value]) => [name, maskOf(name, value)]),
  );
  if (options.json) {
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return;
  }
  const settings = Object.entries(shown).filter(([name]) => name !== 'sources');
  const width = Math.max(...settings.map(([name]) => name.length));
  for (const [name, value] of settings) {
    process.stdout.write(
      `${name.padEnd(width)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}\n`,
    );
  }
  const given = Object.entries(config.sources).filter(([, source]) => source !== 'default');
  process.stdout.write(
    `\nset by you: ${given.map(([name, source]) => `${name} (${source})`).join(', ') || 'nothing'}\n`,
  );
}

function maskOf(name: string, value: Config[keyof Config]): unknown {
  return withoutSecrets(name, value ?? null);
}

/** Of secrets only whether there are any; an address may have a password in it, and a command line a key. */
function withoutSecrets(name: string, value: unknown): unknown {
  if (SECRET.test(name)) {
    const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
    return isEmpty ? null : '(set)';
  }
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => withoutSecrets('', item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(key, item)]));
}
