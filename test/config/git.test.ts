import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gitRoot, remoteOwner } from '../../src/config/git.ts';
import { projectDir } from '../support/project-dir.ts';

test.each([
  ['git@github.com:acme/repo.git', 'acme'],
  ['https://github.com/acme/repo.git', 'acme'],
  ['https://github.com/acme/repo', 'acme'],
  ['https://user:word@github.com/acme/repo.git', 'acme'],
  ['ssh://git@github.com:22/acme/repo.git', 'acme'],
  ['https://gitlab.com/group/sub/repo.git', 'group'],
  ['github.com:acme/repo', 'acme'],
  ['/srv/git/repo.git', undefined],
  ['../other/repo.git', undefined],
  ['file:///srv/git/repo.git', undefined],
  ['C:/work/acme/repo', undefined],
  ['https://github.com/repo', undefined],
])('the owner of %s is %s', (url, owner) => {
  const { cwd, put } = projectDir();
  put('.git/config', `[core]\n\tbare = false\n[remote "origin"]\n\turl = ${url}\n\tfetch = +refs/*\n`);
  expect(remoteOwner(cwd)).toBe(owner);
});

test('origin is preferred to other remotes, and the url of a branch section is ignored', () => {
  const { cwd, put } = projectDir();
  const other = '[remote "upstream"]\nurl = git@host.test:up/repo\n';
  put('.git/config', `[branch "main"]\nurl = git@host.test:not/this\n${other}`);
  expect(remoteOwner(cwd)).toBe('up');
  put('.git/config', `${other}[remote "origin"]\n  url = "https://host.test/mine/repo"\n`);
  expect(remoteOwner(cwd)).toBe('mine');
});

test('without a repository, a configuration or a remote there is no owner', () => {
  const { cwd, put } = projectDir();
  expect(remoteOwner(cwd)).toBeUndefined();
  mkdirSync(join(cwd, '.git'));
  expect(remoteOwner(cwd)).toBeUndefined();
  put('.git/config', '[core]\n');
  expect(remoteOwner(cwd)).toBeUndefined();
});

test('a worktree created by git has the owner of its repository', () => {
  const { cwd } = projectDir();
  const git = (...args: string[]): unknown => execFileSync('git', args, { cwd, stdio: 'pipe' });
  git('init', '-q', 'main');
  git('-C', 'main', 'remote', 'add', 'origin', 'git@github.com:acme/repo.git');
  git('-C', 'main', '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'x');
  git('-C', 'main', 'worktree', 'add', '-q', '../tree');
  const inside = join(cwd, 'tree', 'deep');
  mkdirSync(inside);
  expect(gitRoot(inside)).toBe(join(cwd, 'tree'));
  expect(remoteOwner(join(cwd, 'tree'))).toBe('acme');
});
