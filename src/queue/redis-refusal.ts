import { messageOf } from '../errors.ts';

/** Why Redis refuses what the queue needs, and what to do. */
export interface Refusal {
  readonly what: string;
  readonly advice: string;
  /** Whether a right of the user is missing: only a person changes that. */
  readonly isRight: boolean;
}

interface Kind {
  readonly pattern: RegExp;
  readonly what: string;
  readonly advice: string;
  readonly isRight?: true;
}

const ACL_ADVICE =
  'allow it to the user of REDIS_URL: ACL SETUSER <user> ~tasktrail:* +@all -@admin; if one command is missing: +<command>';

/** By the error code that a reply begins with, also inside the message of a script. */
const KINDS: readonly Kind[] = [
  {
    pattern: /NOPERM|no permissions to|can't run this command|ACL failure in script/,
    what: 'the user of REDIS_URL lacks a right',
    advice: ACL_ADVICE,
    isRight: true,
  },
  {
    pattern: /\bREADONLY\b/,
    what: 'it is a replica, which accepts no writes',
    advice: 'set REDIS_URL to its primary, or make it one: REPLICAOF NO ONE',
  },
  {
    pattern: /\bOOM\b/,
    what: 'its memory is full, and it accepts no writes',
    advice:
      'raise maxmemory (CONFIG SET maxmemory <bytes>), or remove keys of others; leave maxmemory-policy noeviction',
  },
  {
    pattern: /\bNOREPLICAS\b/,
    what: 'it has too few replicas, and accepts no writes',
    advice: 'bring its replicas back, or lower min-replicas-to-write',
  },
  {
    pattern: /\bMISCONF\b/,
    what: 'it cannot save to its disk, and accepts no writes',
    advice:
      'see its log; mostly the disk is full. CONFIG SET stop-writes-on-bgsave-error no lifts it meanwhile',
  },
  {
    pattern: /\bLOADING\b/,
    what: 'it is still loading its data',
    advice: 'wait: the service uses it afterwards',
  },
  {
    pattern: /\b(?:CROSSSLOT|MOVED|ASK|CLUSTERDOWN|TRYAGAIN)\b/,
    what: 'it is a cluster, which the queue does not support',
    advice: 'use a single Redis',
  },
  {
    pattern: /\bMASTERDOWN\b/,
    what: 'it is a replica without its primary',
    advice: 'set REDIS_URL to the primary',
  },
  {
    pattern: /\bBUSY\b/,
    what: 'it is busy with a script of another program',
    advice: 'wait, or end the script: SCRIPT KILL',
  },
  {
    pattern: /\b(?:NOAUTH|WRONGPASS)\b|invalid password|invalid username/,
    what: 'it refuses the user or the password',
    advice: 'correct them in REDIS_URL',
  },
];

/** Undefined for an error that says nothing about Redis as a whole, such as one of a single job. */
export function refusalOf(error: unknown): Refusal | undefined {
  const message = messageOf(error);
  const kind = KINDS.find(({ pattern }) => pattern.test(message));
  if (kind === undefined) return undefined;
  return { what: `${kind.what} (${message})`, advice: kind.advice, isRight: kind.isRight === true };
}
