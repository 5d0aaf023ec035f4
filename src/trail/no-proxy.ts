/** The names by which programs find their proxy. Each is also read in lower case. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];

/** Programs compare names, so each spelling of loopback is listed. IPv6 is written with and without brackets. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1', '[::1]'];

/**
 * `NO_PROXY` and `no_proxy` for a child that has a proxy: what stands there, and loopback and the receiver, which a proxy
 * cannot reach. Empty for a child without a proxy. Both names are set, because programs differ in which they read first.
 */
export function noProxyFor(
  env: Readonly<Record<string, string>>,
  receiver: string | undefined,
): Record<string, string> {
  const hasProxy = PROXIES.some((name) => isSet(env[name]) || isSet(env[name.toLowerCase()]));
  if (!hasProxy) return {};
  const hosts = receiver === undefined ? LOOPBACK : [...LOOPBACK, new URL(receiver).hostname];
  // A name that is not set gets the value of the other one: a program that prefers it must not lose the exceptions.
  return {
    NO_PROXY: extended(env.NO_PROXY ?? env.no_proxy, hosts),
    no_proxy: extended(env.no_proxy ?? env.NO_PROXY, hosts),
  };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== '';
}

function extended(value: string | undefined, hosts: readonly string[]): string {
  const given = (value ?? '').split(/[\s,]+/).filter((entry) => entry !== '');
  if (given.includes('*')) return given.join(',');
  return [...new Set([...given, ...hosts])].join(',');
}
