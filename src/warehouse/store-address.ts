import { TasktrailError } from '../errors.ts';
import { readTenant, TENANT_FORM } from '../model/tenant.ts';
import { firstOfText } from '../model/text.ts';

export interface StoreAddress {
  readonly url: URL;
  /** Of each request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether it may be asked to make lines visible at once. */
  readonly mayFlush: boolean;
}

const SCHEMES: Readonly<Record<string, string>> = {
  'victorialogs:': 'http',
  'victorialogs+https:': 'https',
};

/** The port of VictoriaLogs. */
const PORT = '9428';

/**
 * Reads `victorialogs://host:port`, or `victorialogs+https://user:password@host/path?tenant=<account>:<project>&flush=false`. Throws
 * `ERR_CONFIG_INVALID` without the password in the message.
 */
export function readStoreAddress(address: string): StoreAddress {
  const parsed = URL.canParse(address) ? new URL(address) : undefined;
  const scheme = parsed && SCHEMES[parsed.protocol];
  if (parsed === undefined || scheme === undefined || parsed.host === '') throw invalid(address);
  const { host, port, pathname, username, password, searchParams, hash } = parsed;
  const [tenant, ...more] = searchParams.getAll('tenant');
  const { account, project } = readTenant(tenant ?? '') ?? {};
  const [flush = 'true', ...moreFlush] = searchParams.getAll('flush');
  const isKnown = [...searchParams.keys()].every((name) => name === 'tenant' || name === 'flush');
  const isOnce = more.length === 0 && moreFlush.length === 0 && hash === '';
  const isTenantWrong = tenant !== undefined && account === undefined;
  if (isTenantWrong) throw invalid(address, `its tenant: ${TENANT_FORM}`);
  if (!isKnown || !isOnce || !['true', 'false'].includes(flush)) throw invalid(address);
  const withPort = port === '' && scheme === 'http' ? `${host}:${PORT}` : host;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    url: new URL(`${scheme}://${withPort}${pathname}`),
    mayFlush: flush === 'true',
    headers: {
      ...(credentials !== ':' && { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
      ...(account !== undefined && project !== undefined && { AccountID: account, ProjectID: project }),
    },
  };
}

function invalid(
  address: string,
  advice = `use one such as victorialogs://127.0.0.1:${PORT}`,
): TasktrailError {
  const shown = firstOfText(address.replace(/\/\/[^/]*@/, '//'), 100);
  return new TasktrailError(
    'ERR_CONFIG_INVALID',
    `${JSON.stringify(shown)} is no address of a store: ${advice}`,
  );
}
