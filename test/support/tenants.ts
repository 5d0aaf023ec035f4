import { connect } from 'node:net';
import type { RedisServer } from './redis.ts';
import type { Env } from './service-process.ts';

/** A tenant with a token and a key of its own. */
export interface TenantSecrets {
  readonly tenant: string;
  readonly token: string;
  readonly key: string;
  /** Settings of its services and workers. */
  readonly env: Env;
}

export function secretsOfTenant(tenant: string): TenantSecrets {
  const token = `token-of-tenant-${tenant.replace(':', '-')}-0123456789`;
  const key = Buffer.from(tenant.padEnd(32, 'k')).toString('hex');
  const env = { TASK_LOGS_TENANT: tenant, TASK_LOGS_API_TOKEN: token, TASK_LOGS_KEY: key };
  return { tenant, token, key, env };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Replies of Redis to commands, as it writes them. */
export async function askRedis(
  { port }: Pick<RedisServer, 'port'>,
  ...commands: readonly (readonly string[])[]
): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const words = [...commands, ['QUIT']].map(
    (command) =>
      `*${command.length}\r\n${command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
  );
  socket.write(words.join(''));
  let text = '';
  for await (const piece of socket) text += String(piece);
  return text;
}

/** Makes a user of Redis who reaches the keys of one tenant alone, with the rights that the docs name. Returns its address. */
export async function redisUserOf(redis: RedisServer, tenant: string): Promise<string> {
  const [account = '', project = '0'] = tenant.split(':');
  const name = `tenant-${account}-${project}`;
  const rights = ['on', `>of-${name}`, `~tasktrail:{store?${account}:${project}}:*`, '+@all', '-@admin'];
  const reply = await askRedis(redis, ['ACL', 'SETUSER', name, ...rights]);
  if (!reply.startsWith('+OK')) throw new Error(reply);
  return `redis://${name}:of-${name}@127.0.0.1:${redis.port}`;
}
