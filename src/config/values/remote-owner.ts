/** The server and the path of a remote, without protocol, user and port. */
interface Remote {
  readonly host: string;
  readonly path: readonly string[];
}

const URL_CHARS_MAX = 2_000;

const PROTOCOLS = new Set(['http:', 'https:', 'ssh:', 'git:', 'ftp:', 'ftps:']);

/** `git@host:path`, `host:path`, `[git@host:port]:path`. A single letter before the colon is a Windows drive. */
const SHORT = /^(?:\[(?:[^@\]]*@)?([^\]:]{2,})(?::\d+)?\]|(?:[^@/]+@)?(\[[^\]]+\]|[^/:@]{2,})):(?!\/\/)(.+)$/;

const AZURE_SSH = new Set(['ssh.dev.azure.com', 'vs-ssh.visualstudio.com']);
const VISUAL_STUDIO = '.visualstudio.com';
const CODE_COMMIT = /^git-codecommit(?:-fips)?\..*\.amazonaws\.com(?:\.cn)?$/;

/** Path prefixes of servers that are no owner: Bitbucket Server over HTTP, and Gerrit with a login. */
const PREFIXES = new Set(['scm', 'a']);

/**
 * The owner in the address of a Git remote: `acme` in `git@github.com:acme/repo.git`. Of GitLab's subgroups the outermost
 * one. Undefined for a path on this machine, and for a server without owners (AWS CodeCommit).
 */
export function ownerOf(url: string): string | undefined {
  // The file is part of a checkout. Longer addresses are none, and would take the patterns long.
  const remote = url.length > URL_CHARS_MAX ? undefined : remoteOf(url.trim());
  if (remote === undefined) return undefined;
  const { host, path } = remote;
  if (CODE_COMMIT.test(host)) return undefined;
  if (AZURE_SSH.has(host)) return /^v\d+$/.test(path[0] ?? '') ? path[1] : path[0];
  if (host.endsWith(VISUAL_STUDIO)) return host.slice(0, -VISUAL_STUDIO.length);
  const scm = path.indexOf('scm');
  // Bitbucket Server may have a path of its own: `/bitbucket/scm/team/repo`.
  const start = scm === 1 && path.length > 3 ? 2 : PREFIXES.has(path[0] ?? '') && path.length > 2 ? 1 : 0;
  return path.length - start < 2 ? undefined : path[start]?.replace(/^~(?=.)/, '');
}

function remoteOf(url: string): Remote | undefined {
  // `codecommit::region://repo`: a helper of Git with an address of its own.
  if (/^[A-Za-z0-9+.-]+::/.test(url)) return undefined;
  if (!url.includes('://')) {
    const [, bracketed, plain, path = ''] = SHORT.exec(url) ?? [];
    const host = bracketed ?? plain;
    return host === undefined ? undefined : { host: host.toLowerCase(), path: partsOf(path) };
  }
  // As npm writes it: `git+ssh://`, `git+https://`.
  const address = url.replace(/^git\+/, '');
  if (!URL.canParse(address)) return undefined;
  const { protocol, hostname, pathname } = new URL(address);
  if (!PROTOCOLS.has(protocol) || hostname === '') return undefined;
  return { host: hostname.toLowerCase(), path: partsOf(pathname) };
}

function partsOf(path: string): readonly string[] {
  return path
    .replace(/[?#].*$/, '')
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // URIError: a percent sign that encodes nothing.
    return part;
  }
}
