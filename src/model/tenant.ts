/** `<account>` or `<account>:<project>`, as VictoriaLogs numbers its tenants. */
const TENANT = /^(\d{1,10})(?::(\d{1,10}))?$/;

/** VictoriaLogs has 32 bits for each. */
const NUMBER_MAX = 2 ** 32 - 1;

/** What a text must be to name a tenant, for messages. */
export const TENANT_FORM: string = `use one or two numbers from 0 to ${NUMBER_MAX}, such as 12 or 12:3`;

/** A tenant of a VictoriaLogs. */
export interface Tenant {
  readonly account: string;
  readonly project: string;
}

/** Undefined for a text that names no tenant. Without a project it is project 0. */
export function readTenant(text: string): Tenant | undefined {
  const [, account, project = '0'] = TENANT.exec(text) ?? [];
  if (account === undefined || Number(account) > NUMBER_MAX || Number(project) > NUMBER_MAX) return undefined;
  return { account: String(Number(account)), project: String(Number(project)) };
}

/** The beginning of keys in Redis, without its last colon. The braces keep them on one node of a cluster. */
export function keyPrefixOf({ account, project }: Tenant): string {
  return `tasktrail:{store ${account}:${project}}`;
}

/**
 * The same of the queue. Not BullMQ's default `bull`: another application's queue may have the same name. With a tenant it is that of
 * its other keys, so that one pattern of a Redis user is good for all of them.
 */
export function queuePrefixOf(tenant: string | undefined): string {
  const found = readTenant(tenant ?? '');
  return found === undefined ? 'tasktrail' : keyPrefixOf(found);
}

/** The beginning of the keys in S3: those of a tenant stand below a folder of its own, and may have a policy of their own. */
export function s3PrefixOfTenant(prefix: string, tenant: string | undefined): string {
  const name = folderOfTenant(tenant);
  return name === undefined ? prefix : `tenants/${name}/${prefix}`;
}

/** A name without a colon, which has no place in that of a folder. Undefined without a tenant. */
export function folderOfTenant(tenant: string | undefined): string | undefined {
  const found = readTenant(tenant ?? '');
  return found && `${found.account}-${found.project}`;
}

/** As a text: a tenant, or what is none. Undefined: the address has none. */
export function tenantIn(address: string): string | undefined {
  const named = URL.canParse(address) ? new URL(address).searchParams.getAll('tenant') : [];
  return named.length === 0 ? undefined : named.join(' and ');
}

/** Why the tenant of an address is none, or does not go with a setting. `tenant` undefined: the setting is not there. */
export function tenantProblem(address: string, tenant: string | undefined): string | undefined {
  const named = tenantIn(address);
  if (named === undefined) return undefined;
  if (readTenant(named) === undefined) return `its tenant is ${JSON.stringify(named)}: ${TENANT_FORM}`;
  if (tenant === undefined || isSame(named, tenant)) return undefined;
  return `it names tenant ${named}, and TASK_LOGS_TENANT is ${tenant}: name the same one, or one of them alone`;
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [readTenant(one), readTenant(other)];
  return a !== undefined && b !== undefined && a.account === b.account && a.project === b.project;
}

/** An address of a VictoriaLogs, of this tenant. `tenant` undefined: the address as it is. */
export function addressOfTenant<A extends string | undefined>(
  address: A,
  tenant: string | undefined,
): A | string {
  if (address === undefined || tenant === undefined || !URL.canParse(address)) return address;
  const url = new URL(address);
  url.searchParams.set('tenant', tenant);
  return url.href;
}
