import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';

/** A user of the operating system. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

const NUMBERS = /^(\d{1,10})(?::(\d{1,10}))?$/;

/** Also `domain\user` of a directory service; no name begins with `-`, which a program would take for an option. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.\\@-]*\$?$/;

/** The largest id but one: -1 means "unchanged" to setuid(2). */
const ID_MAX = 2 ** 32 - 2;

const LOOKUP_MS = 5_000;

/**
 * Finds the user that agents run as: a name, a uid, or `uid:gid`. `setting` is named in the error. Throws
 * `ERR_CONFIG_INVALID` for an unknown user, for root itself, and when this process may not run programs as another user.
 */
export function findAccount(text: string, setting: string): Account {
  const fail = (why: string, cause?: unknown): TasktrailError =>
    new TasktrailError('ERR_CONFIG_INVALID', `${setting}: ${why}`, { cause });
  if (process.getuid?.() !== 0)
    throw fail(
      `only root can run agents as ${JSON.stringify(text)}: start the service as root, or leave the setting out and start it as that user`,
    );
  const account = resolveAccount(text.trim());
  if (account === undefined)
    throw fail(
      `there is no user ${JSON.stringify(text)} on this machine: create it (useradd --system ...), or write uid:gid`,
    );
  if (account.uid === 0) throw fail('root is the user of the service itself: name another one');
  const problem = whyNotRunnable(account);
  if (problem !== undefined) throw fail(`cannot run programs as ${JSON.stringify(text)}: ${problem}`);
  return account;
}

function resolveAccount(text: string): Account | undefined {
  const numbers = NUMBERS.exec(text);
  if (numbers === null) return NAME.test(text) ? lookUp(text, ([name]) => name === text) : undefined;
  const [, uidText = '', gidText] = numbers;
  const uid = Number(uidText);
  const known = lookUp(uidText, ([, , id]) => id === uidText);
  const gid = gidText === undefined ? known?.gid : Number(gidText);
  if (gid === undefined || uid > ID_MAX || gid > ID_MAX) return undefined;
  return {
    name: known?.name ?? uidText,
    uid,
    gid,
    home: known?.home ?? '/',
    shell: known?.shell ?? '/bin/sh',
  };
}

/** A line of passwd(5), from the system's own lookup (LDAP and the like included), else from the file. */
function lookUp(key: string, matches: (fields: readonly string[]) => boolean): Account | undefined {
  const lines = [fromGetent(key), fromFile()].flatMap((text) => text.split('\n'));
  const fields = lines.map((line) => line.split(':')).find((parts) => parts.length >= 7 && matches(parts));
  if (fields === undefined) return undefined;
  const [name = '', , uid = '', gid = '', , home = '', shell = ''] = fields;
  if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell.trim() || '/bin/sh' };
}

function fromGetent(key: string): string {
  const { stdout, status } = spawnSync('getent', ['passwd', key], { encoding: 'utf8', timeout: LOOKUP_MS });
  return status === 0 ? stdout : '';
}

function fromFile(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    // ENOENT: a container without users.
    return '';
  }
}

/** Root in a container may lack the right to change the user. */
function whyNotRunnable({ uid, gid }: Account): string | undefined {
  const { error, status } = spawnSync('/bin/sh', ['-c', ':'], {
    uid,
    gid,
    cwd: '/',
    env: {},
    timeout: LOOKUP_MS,
  });
  if (errnoOf(error) === 'EPERM')
    return 'the capabilities CAP_SETUID and CAP_SETGID are missing: give them to the service';
  if (error !== undefined) return messageOf(error);
  return status === 0 ? undefined : '/bin/sh cannot be run by this user';
}
