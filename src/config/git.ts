import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ownerOf } from './values/remote-owner.ts';

/** The nearest directory, from here upwards, with a `.git`. */
export function gitRoot(cwd: string): string | undefined {
  for (let dir = cwd; ; dir = dirname(dir)) {
    if (existsSync(join(dir, '.git'))) return dir;
    if (dir === dirname(dir)) return undefined;
  }
}

/** Owner of the repository: `acme` in `git@github.com:acme/repo.git`. From the remote `origin`, else the first one. */
export function remoteOwner(root: string): string | undefined {
  const config = readText(join(gitDirectory(root), 'config'));
  const urls = remoteUrls(config ?? '');
  const url = urls.get('origin') ?? [...urls.values()][0];
  return url === undefined ? undefined : ownerOf(url);
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

/** Undefined when it cannot be read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // ENOENT, EISDIR, EACCES: then the owner is unknown.
    return undefined;
  }
}
