import { TasktrailError } from '../../errors.ts';
import { parseObject } from '../../model/json.ts';
import type { ListPlace } from '../../model/list-place.ts';
import { sha256 } from '../../model/sha256.ts';
import type { TaskSort } from '../../model/task-reading.ts';
import { numberIn, type TaskRow } from '../task-row.ts';

/** Hex digits of the hash of a query: enough to tell mistakes, not to withstand a search for equal ones. */
const KEY_LENGTH = 12;

export function placeOf(row: TaskRow, sort: TaskSort): ListPlace {
  return { value: sort === 'created' ? row.at : numberIn(row, sort), id: row.id };
}

/** A cursor names a task and no offset, so new tasks cause neither repeats nor gaps. */
export function encodePlace({ value, id }: ListPlace, sort: TaskSort, asked: string | undefined): string {
  const at = sort === 'created' ? { at: value } : { [sort]: value };
  return Buffer.from(JSON.stringify({ ...at, id, of: keyOf(sort, asked) })).toString('base64url');
}

/** Throws `ERR_INPUT_INVALID` for the cursor of another query. */
export function decodePlace(cursor: string, sort: TaskSort, asked: string | undefined): ListPlace {
  const said = parseObject(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (typeof said?.id !== 'string') throw invalid('must be the next_cursor of an earlier page');
  const value = said[sort === 'created' ? 'at' : sort];
  if (said.of === keyOf(sort, asked)) {
    if (sort === 'created' && typeof value === 'string') return { value, id: said.id };
    if (sort !== 'created' && (value === null || typeof value === 'number')) return { value, id: said.id };
  }
  throw invalid('belongs to another query');
}

function keyOf(sort: TaskSort, asked = ''): string {
  return sha256(`${sort}\n${asked}`).slice(0, KEY_LENGTH);
}

function invalid(problem: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', `cursor: ${problem}`);
}
