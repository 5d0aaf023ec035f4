import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readBoundedText } from './file/bounded-text.ts';
import { ownerOf } from './values/remote-owner.ts';

/** No server has a longer address. */
const URL_CHARS_MAX = 2_048;

/** Of all servers. It becomes a part of a bucket's name or of keys. */
const OWNER = /^[A-Za-z0-9_][A-Za-z0-9._~-]{0,99}$/;

/** The nearest directory, from here upwards, with a `.git`. */
export function gitRoot(cwd: string): string | undefined {
  for (let dir = cwd; ; dir = dirname(dir)) {
    if (existsSync(join(dir, '.git'))) return dir;
    if (dir === dirname(dir)) return undefined;
  }
}

/**
 * Owner of the repository: `acme` in `git@github.com:acme/repo.git`. From the remote `origin`, else the first one. Git is
 * not run, and files that the configuration includes are not read: a checkout could have commands in them.
 */
export function remoteOwner(root: string): string | undefined {
  const config = readText(gitConfigFile(root));
  const urls = remoteUrls(config ?? '');
  const url = urls.get('origin') ?? [...urls.values()][0];
  const owner = url === undefined || url.length > URL_CHARS_MAX ? undefined : ownerOf(url);
  return owner !== undefined && OWNER.test(owner) ? owner : undefined;
}

/** The file that names the remotes of the repository. */
export function gitConfigFile(root: string): string {
  return join(gitDirectory(root), 'config');
}

/** The directory with the repository's `config`. In a worktree `.git` is a file with a path. */
function gitDirectory(root: string): string {
  const path = join(root, '.git');
  const [, gitdir] = /^gitdir:[^\S\n]*(\S.*)$/m.exec(readText(path) ?? '') ?? [];
  if (gitdir === undefined) return path;
  const own = resolve(root, gitdir.trim());
  const common = readText(join(own, 'commondir'));
  return common === undefined ? own : resolve(own, common.trim());
}

/** The first URL of each remote. */
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

/** Undefined when it cannot be read: then the owner is unknown. */
function readText(path: string): string | undefined {
  const read = readBoundedText(path);
  return 'text' in read ? read.text : undefined;
}
