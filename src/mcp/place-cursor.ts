const ENCODED = 'base64url:';

/** An id that is minted here, or a number of a line. Others may be sentences: their senders choose them. */
const PLAIN = /^(?:[0-9A-HJKMNP-TV-Z]{26}|@\d{1,15})$/;

/** A place in a file as a word that says nothing, whatever the id of its event says. */
export function cursorOf(place: string): string {
  return PLAIN.test(place) ? place : `${ENCODED}${Buffer.from(place).toString('base64url')}`;
}

/** The place for a REST request; undefined when it could say something. */
export function linkedPlace(place: string): string | undefined {
  return PLAIN.test(place) ? place : undefined;
}

export function placeOf(cursor: string): string {
  if (!cursor.startsWith(ENCODED)) return cursor;
  return Buffer.from(cursor.slice(ENCODED.length), 'base64url').toString('utf8');
}
