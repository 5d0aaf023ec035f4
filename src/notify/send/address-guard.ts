import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { TasktrailError } from '../../errors.ts';
import { readNetwork } from '../../model/network.ts';

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Networks in which no public receiver is (IANA special-purpose registries), IPv4. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
] as const;

/** The only IPv6 network with public addresses, and what in it is special: Teredo and 6to4 carry IPv4 addresses. */
const GLOBAL_IPV6 = '2000::/3';
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'] as const;

const special: BlockList = listOf([...SPECIAL_IPV4, ...SPECIAL_IPV6]);
const globalIpv6: BlockList = listOf([GLOBAL_IPV6]);

/** Interfaces of a machine change rarely, and a container may have hundreds. */
const OWN_NETWORKS_MS = 10_000;

/** A list of networks. Texts that are none are left out. */
function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of networks) {
    const network = readNetwork(text);
    if (network === undefined) continue;
    list.addSubnet(network.address, network.prefix, network.family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** Decides to which addresses a receiver may be sent. */
export class AddressGuard {
  readonly #allowed: BlockList;
  readonly #ownNetworks: () => readonly string[];
  #own: BlockList = new BlockList();
  #ownUntil = Number.NEGATIVE_INFINITY;

  /** `allowed`: addresses and networks that the configuration names. */
  constructor(allowed: readonly string[], ownNetworks: () => readonly string[] = networksOfHost) {
    this.#allowed = listOf(allowed);
    this.#ownNetworks = ownNetworks;
  }

  isAllowed({ address, family }: Address): boolean {
    const bare = withoutZone(address);
    const mapped = family === 6 ? mappedIpv4(bare) : undefined;
    // `::ffff:127.0.0.1` reaches 127.0.0.1.
    if (mapped !== undefined) return this.isAllowed({ address: mapped, family: 4 });
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (this.#allowed.check(bare, type)) return true;
    if (bare !== address) return false;
    if (family === 6 && !globalIpv6.check(bare, type)) return false;
    return !special.check(bare, type) && !this.#networksOfHost().check(bare, type);
  }

  /**
   * The addresses of a host, all of which may be sent to. Throws `ERR_INPUT_INVALID` when one of them may not: a name with a
   * public and a private address is a way to the private one.
   */
  async resolve(host: string): Promise<readonly Address[]> {
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    const family = isIP(bare);
    const found: readonly Address[] =
      family === 0
        ? (await lookup(bare, { all: true, verbatim: true })).map(toAddress)
        : [toAddress({ address: bare, family })];
    if (found.length === 0 || !found.every((one) => this.isAllowed(one)))
      throw new TasktrailError(
        'ERR_INPUT_INVALID',
        'its address is one of this host or of a private network, and allow_addresses does not name it',
      );
    return found;
  }

  #networksOfHost(): BlockList {
    const now = performance.now();
    if (now >= this.#ownUntil) {
      this.#own = listOf(this.#ownNetworks());
      this.#ownUntil = now + OWN_NETWORKS_MS;
    }
    return this.#own;
  }
}

function toAddress({ address, family }: { address: string; family: number }): Address {
  return { address, family: family === 6 ? 6 : 4 };
}

/** The networks of the interfaces of this machine. */
function networksOfHost(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ cidr }) => cidr ?? ''));
}

/** `fe80::1%eth0` without the interface. */
function withoutZone(address: string): string {
  const at = address.indexOf('%');
  return at < 0 ? address : address.slice(0, at);
}

/** The IPv4 address in `::ffff:a.b.c.d`, in any spelling. */
function mappedIpv4(address: string): string | undefined {
  // URL writes every spelling in one way: [::ffff:7f00:1].
  const host = URL.canParse(`http://[${address}]/`) ? new URL(`http://[${address}]/`).hostname : '';
  const [, high = '', low = ''] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host) ?? [];
  if (high === '') return undefined;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}
