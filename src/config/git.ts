import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The nearest directory, from here upwards, that holds a `.git`. */
export function gitRoot(cwd: string): string | undefined {
  for (let dir = cwd; ; dir = dirname(dir)) {
    if (existsSync(join(dir, '.git'))) return dir;
    if (dir === dirname(dir)) return undefined;
  }
}

/** Whose repository it is: `acme` of `git@github.com:acme/repo.git`, from the remote `origin`, else the first one. */
export function remoteOwner(root: string): string | undefined {
  const config = readText(join(gitDirectory(root), 'config'));
  const urls = remoteUrls(config ?? '');
  const url = urls.get('origin') ?? [...urls.values()][0];
  return url === undefined ? undefined : ownerOf(url);
}

/** Where the repository's own settings are: a worktree has a file in place of `.git`, which says where to look. */
function gitDirectory(root: string): string {
  const path = join(root, '.git');
  const [, gitdir] = /^gitdir:\s*(.+)$/m.exec(readText(path) ?? '') ?? [];
  if (gitdir === undefined) return path;
  const own = resolve(root, gitdir.trim());
  const common = readText(join(own, 'commondir'));
  return common === undefined ? own : resolve(own, common.trim());
}

/** The first address of each remote. */
function remoteUrls(config: string): Map<string, string> {
  const urls = new Map<string, string>();
  let remote: string | undefined;
  for (const line of config.split('\n')) {
    if (/^\s*\[/.test(line)) remote = /^\s*\[remote "(.+)"\]/.exec(line)?.[1];
    const url = /^\s*url\s*=\s*"?([^"\s]+)/.exec(line)?.[1];
    if (remote !== undefined && url !== undefined && !urls.has(remote)) urls.set(remote, url);
  }
  return urls;
}

/** Undefined for a path: who owns a directory is nobody's name. */
function ownerOf(url: string): string | undefined {
  const isUrl = /^(?:https?|ssh|git):\/\/[^/]+\/+([^/]+)\/[^/]/.exec(url);
  // `git@host:owner/repo`; one letter before the colon is a drive.
  const isShort = /^(?:[^@/:]+@)?[^/:]{2,}:\/*([^/]+)\/[^/]/.exec(url);
  return url.includes('://') ? isUrl?.[1] : isShort?.[1];
}

/** Undefined for what is not there, or is no file. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // No such file, a directory in its place, or not ours to read: nothing that could be said from it.
    return undefined;
  }
}
