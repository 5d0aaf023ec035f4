import { connect } from 'node:net';
import { afterTest } from './current-test.ts';
import { tempDir } from './log-dir.ts';
import type { RedisServer } from './redis.ts';
import { type Env, ServiceProcess } from './service-process.ts';
import type { VictoriaLogsServer } from './victoria-logs.ts';

/** Stands in all that the victim has recorded, and in nothing that the attacker knows. */
export const MARKER = 'zq9marker7victim';

/** Known to the attacker. */
export const TASK = 'task-known-to-all';
export const WORKFLOW = 'workflow-7-20260102T030405Z-abcd';
export const EVENT_ID = '01KDY000000000000000000001';

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

/** A service of a tenant, with all of its secrets. */
export interface TenantService extends TenantSecrets {
  readonly service: ServiceProcess;
  readonly page: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Ends with the test. */
export async function serveTenant(
  server: Pick<VictoriaLogsServer, 'address'>,
  tenant: string,
  more: Env = {},
): Promise<TenantService> {
  const secrets = secretsOfTenant(tenant);
  const env = { TASK_LOGS_STORE_URL: server.address, ...secrets.env, ...more };
  const service = await ServiceProcess.start({ cwd: await tempDir(), args: ['serve'], env });
  afterTest(async () => {
    service.child.kill('SIGTERM');
    await service.exited;
  });
  return { ...secrets, service, page: /page +(http:\S+)\//.exec(service.stdout)?.[1] ?? '' };
}

export async function get(tenant: TenantService, path: string): Promise<Answer> {
  return ask(tenant, 'GET', path);
}

export async function ask(
  { page, token }: TenantService,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(page + path, { method, headers: { ...bearer(token), ...headers } });
  return { status: answer.status, text: await answer.text() };
}

/** Records a task, a workflow and a delivery with the marker in all of their texts. */
export async function record(
  { service }: TenantService,
  token: string,
  text: string = MARKER,
): Promise<number> {
  const timeUnixNano = `${Date.now()}000000`;
  const one = (eventName: string, attributes: Record<string, string>, body: unknown): unknown => ({
    ...{ timeUnixNano, eventName, body: anyValue(body) },
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
  });
  const task = { 'tasktrail.task.id': TASK };
  const workflow = { 'tasktrail.workflow.id': WORKFLOW, 'tasktrail.project': text };
  const delivery = {
    'tasktrail.webhook.provider': 'github',
    ...{ 'tasktrail.webhook.delivery_id': text, 'tasktrail.event.id': EVENT_ID },
  };
  const logRecords = [
    one('tasktrail.task.metadata', task, { source: text, status: 'running', assigned_agent: text }),
    one('tasktrail.task.input', task, { message: text }),
    one('tasktrail.agent.output', { ...task, 'tasktrail.agent.output.type': 'output' }, text),
    one('tasktrail.workflow_start', workflow, { work_item_id: text }),
    one('tasktrail.webhook.delivery', delivery, {
      event_type: text,
      outcome: 'unmatched',
      reason: text,
      task_ids: [],
    }),
  ];
  const answer = await fetch(`${service.otlpUrl}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== '' && bearer(token)) },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  return answer.status;
}

function anyValue(value: unknown): unknown {
  if (typeof value === 'string') return { stringValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  const values = Object.entries(value as object).map(([key, one]) => ({ key, value: anyValue(one) }));
  return { kvlistValue: { values } };
}
