import { expect, test } from 'vitest';
import { ownerOf } from '../../../src/config/values/remote-owner.ts';

test.for([
  ['git@github.com:acme/repo.git', 'acme'],
  ['github.com:acme/repo', 'acme'],
  ['git@host.example:/acme/repo.git', 'acme'],
  ['[git@host.example:7999]:acme/repo.git', 'acme'],
  ['https://github.com/acme/repo', 'acme'],
  ['https://github.com/acme/repo/', 'acme'],
  ['https://github.com//acme/repo.git/', 'acme'],
  ['https://user:p%40ss@github.com/acme/repo', 'acme'],
  ['HTTPS://GitHub.com/Acme/repo', 'Acme'],
  ['https://github.com/acme%20x/repo', 'acme x'],
  ['git+ssh://git@github.com/acme/repo', 'acme'],
  ['git+https://github.com/acme/repo.git#main', 'acme'],
  ['git://git.acme.example/~jo/repo.git', 'jo'],
  ['ssh://git@[::1]:2222/acme/repo', 'acme'],
  ['ssh://git@gitlab.acme.example:2222/acme/sub/group/repo.git', 'acme'],
  ['https://gitlab.com/acme/sub/repo.git', 'acme'],
  ['ssh://git@ssh.dev.azure.com/v3/acme/shop/repo', 'acme'],
  ['git@ssh.dev.azure.com:v3/acme/shop/repo', 'acme'],
  ['acme@vs-ssh.visualstudio.com:v3/acme/shop/repo', 'acme'],
  ['https://acme@dev.azure.com/acme/shop/_git/repo', 'acme'],
  ['https://acme.visualstudio.com/DefaultCollection/shop/_git/repo', 'acme'],
  ['https://bitbucket.acme.example/scm/team/repo.git', 'team'],
  ['https://acme.example/bitbucket/scm/team/repo.git', 'team'],
  ['https://bitbucket.acme.example/scm/~jo/repo.git', 'jo'],
  ['ssh://git@bitbucket.acme.example:7999/team/repo.git', 'team'],
  ['https://github.com/scm/repo', 'scm'],
  ['ssh://jo@gerrit.acme.example:29418/team/repo', 'team'],
  ['https://gerrit.acme.example/a/team/repo', 'team'],
] as const)('the owner in %s is %s', ([url, owner]) => {
  expect(ownerOf(url)).toBe(owner);
});

test.for([
  '/srv/git/acme/repo.git',
  '../acme/repo',
  'acme/repo',
  './acme:x/repo',
  'file:///srv/git/acme/repo.git',
  String.raw`C:\repos\acme\repo`,
  'C:/repos/acme/repo',
  'https://github.com/repo',
  'git@host.example:repo.git',
  'https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop',
  'codecommit::eu-west-1://profile@shop',
  'https://',
  '://x/y',
  '',
])('%s has no owner', (url) => {
  expect(ownerOf(url)).toBeUndefined();
});
