/** `<account>` or `<account>:<project>`, as VictoriaLogs numbers its tenants. */
const TENANT = /^(\d{1,9})(?::(\d{1,9}))?$/;

/** A tenant of a VictoriaLogs. */
export interface Tenant {
  readonly account: string;
  readonly project: string;
}

/** Undefined for a text that names no tenant. Without a project it is project 0. */
export function readTenant(text: string): Tenant | undefined {
  const [, account, project = '0'] = TENANT.exec(text) ?? [];
  return account === undefined
    ? undefined
    : { account: String(Number(account)), project: String(Number(project)) };
}

/** As a text. Undefined: none. */
function tenantIn(address: string): string | undefined {
  return URL.canParse(address) ? (new URL(address).searchParams.get('tenant') ?? undefined) : undefined;
}

/** Why an address does not go with a tenant. */
export function tenantProblem(address: string, tenant: string): string | undefined {
  const named = tenantIn(address);
  if (named === undefined || isSame(named, tenant)) return undefined;
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
