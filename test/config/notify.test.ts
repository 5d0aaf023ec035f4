import { expect, test } from 'vitest';
import { secretsOf } from '../../src/trail/config-secrets.ts';
import { NEXT_SECRET, NOTIFY_SECRET } from '../support/notify-receiver.ts';
import { projectDir, TRUST } from '../support/project-dir.ts';

const URL_ = 'https://hooks.example.com/T0123/B0123/a-long-secret-path';

function problemsOf(entry: object, env: Record<string, string> = {}): string[] {
  const { put, problems } = projectDir();
  put('tasktrail.config.json', { notify: [{ url: URL_, secret: NOTIFY_SECRET, ...entry }] });
  return problems({ env });
}

test.each<[string, object, RegExp]>([
  ['a secret that is no base64', { secret: 'a plain password' }, /notify\.0\.secret: must be whsec_/],
  ['a short secret', { secret: 'whsec_c2hvcnQ=' }, /24 to 64 random bytes/],
  ['a list of three secrets', { secret: [NOTIFY_SECRET, NEXT_SECRET, NOTIFY_SECRET] }, /secret/],
  ['an unset variable', { secret: '$' + '{NOT_SET}' }, /secret: NOT_SET is not set/],
  ['another scheme', { url: 'ftp://example.com/' }, /url: must begin with https/],
  ['no URL', { url: 'example' }, /url: must be a URL/],
  ['a user in the URL', { url: 'https://me:pass@example.com/' }, /no user and no password/],
  ['an unknown event', { on: ['task.done'] }, /notify\.0\.on\.0/],
  ['no event', { on: [] }, /notify\.0\.on/],
  ['a host as an address', { allow_addresses: ['localhost'] }, /allow_addresses: "localhost" is no address/],
  ['a network that is too wide', { allow_addresses: ['10.0.0.0/33'] }, /is no address/],
  ['a link without an id', { link: 'https://example.com/' }, /link: must be a URL with \{task_id\}/],
  ['a name that is a path', { name: '../x' }, /notify\.0\.name/],
  ['a name of another file', { name: '_mark' }, /notify\.0\.name/],
  ['an unknown key', { retries: 3 }, /retries/],
  ['a long filter', { filter: 'x'.repeat(5_000) }, /notify\.0\.filter/],
])('%s is a problem that names its place and no value', (_what, entry, said) => {
  const found = problemsOf(entry);
  expect(found.join('\n')).toMatch(said);
  expect(found.join('\n')).not.toMatch(/plain password|c2hvcnQ|pass@|secret-path/);
});

test('receivers of one host need names, and more than twenty are too many', () => {
  const entry = { url: URL_, secret: NOTIFY_SECRET };
  const { put, problems } = projectDir();
  put('tasktrail.config.json', { notify: [entry, entry] });
  expect(problems().join('\n')).toMatch(/another receiver is named "hooks-example-com"/);
  put('tasktrail.config.json', {
    notify: Array.from({ length: 21 }, (_, index) => ({ ...entry, name: `n${index}` })),
  });
  expect(problems().join('\n')).toMatch(/notify/);
});

test('secrets come from variables, are masked everywhere, and so is the path of the URL', () => {
  const { put, load } = projectDir();
  put('tasktrail.config.json', { notify: [{ url: URL_, secret: ['$' + '{ONE}', NEXT_SECRET] }] });
  const config = load({ env: { ONE: NOTIFY_SECRET } });
  expect(config.notify).toMatchObject([
    {
      name: 'hooks-example-com',
      url: URL_,
      secret: [NOTIFY_SECRET, NEXT_SECRET],
      on: ['task.*', 'workflow.*'],
    },
  ]);
  for (const secret of [NOTIFY_SECRET, NOTIFY_SECRET.slice(6), NEXT_SECRET, URL_, new URL(URL_).pathname])
    expect(secretsOf(config)).toContain(secret);
});

test('a file of a checkout names no receiver, and is no problem, unless it is trusted', () => {
  const { put, load } = projectDir();
  put('tasktrail.config.json', { notify: [{ url: URL_, secret: 'wrong' }] });
  const config = load({ recordsOnly: true });
  expect(config.notify).toEqual([]);
  expect(config.notes.join('\n')).toMatch(/notify in .* is not used/);
  put('tasktrail.config.json', { notify: [{ url: URL_, secret: NOTIFY_SECRET }] });
  expect(load({ recordsOnly: true }).notify).toEqual([]);
  expect(load({ env: TRUST, recordsOnly: true }).notify).toHaveLength(1);
});
