import { messageOf } from '../../errors.ts';

/** How a failure of the database is met. `statement`: the failure may be that of one statement with its values. */
export type IndexFailure = 'damaged' | 'locked' | 'disk' | 'statement';

/** By the message: the drivers have no codes in common. */
export function failureOf(error: unknown): IndexFailure {
  const message = messageOf(error);
  if (/locked|busy/i.test(message)) return 'locked';
  if (/malformed|not a database|corrupt|no such (?:table|column)|format/i.test(message)) return 'damaged';
  if (/is full|disk I\/O|readonly|unable to open|ENOSPC|EACCES|EROFS|EIO/i.test(message)) return 'disk';
  return 'statement';
}
