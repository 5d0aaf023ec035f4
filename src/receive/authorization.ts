import { TasktrailError } from '../errors.ts';
import { bearerTokenOf, isAnyOf } from '../model/secret.ts';
import { ANONYMOUS, type Sender, TRAIL } from '../model/sender.ts';
import { senderOfToken } from '../model/trail-token.ts';

/** What the receiver tells senders apart by. */
export interface SenderSecrets {
  /** Token of the API. When set, every request must carry it or a token of the key. */
  readonly apiToken?: string | undefined;
  /** Key of the log directory, from which the tokens of the trail and of its agents are derived. */
  readonly key?: string | undefined;
}

/** A header as a collector sends it whose token variable is empty. */
const EMPTY = /^(?:Bearer)?\s*$/i;

/**
 * The sender that the `Authorization` header of a request proves. Throws `ERR_UNAUTHORIZED` for a wrong token, also where
 * none is needed: its sender takes itself for known, and must learn that it is not.
 */
export function senderOf(authorization: string | undefined, { apiToken, key }: SenderSecrets): Sender {
  if (authorization === undefined || EMPTY.test(authorization)) {
    if (apiToken === undefined) return ANONYMOUS;
    throw unauthorized('the token is missing: send Authorization: Bearer <token>');
  }
  const given = bearerTokenOf(authorization);
  if (given === undefined) throw unauthorized('the token is wrong: send Authorization: Bearer <token>');
  // Both are compared always, so that the time taken does not show which one matches.
  const known = key === undefined ? undefined : senderOfToken(key, given);
  const isApi = apiToken !== undefined && isAnyOf([apiToken], given);
  if (isApi) return TRAIL;
  if (known !== undefined) return known;
  const advice = apiToken === undefined ? ', or no Authorization header' : '';
  throw unauthorized(`the token is wrong: send Authorization: Bearer <token>${advice}`);
}

function unauthorized(message: string): TasktrailError {
  return new TasktrailError('ERR_UNAUTHORIZED', message);
}
