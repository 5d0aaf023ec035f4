/** Characters of an id in a query. */
const ID_MAX = 200;

/** Bytes of an id in an index. */
const ID_BYTES_MAX = 256;

/** Whether an id can stand in a query and in an index as it is: `@12` is the number of a line there. */
export function isName(id: string): boolean {
  const isPlain = !id.startsWith('@') && JSON.stringify(id) === `"${id}"`;
  return isPlain && id.length <= ID_MAX && Buffer.byteLength(id) <= ID_BYTES_MAX;
}
