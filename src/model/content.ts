/** Limit of the file format for one content. Many tools cannot read longer lines. */
const CONTENT_BYTES_MAX = 1024 * 1024;

/** Cuts a content to 1 MiB of UTF-8, between characters. `originalBytes` is set only when it was cut. */
export function cutContent(
  content: string,
  bytesMax: number = CONTENT_BYTES_MAX,
): { text: string; originalBytes?: number } {
  // A UTF-16 unit is at most three bytes of UTF-8: most contents need no count.
  if (content.length * 3 <= bytesMax) return { text: content };
  const originalBytes = Buffer.byteLength(content);
  if (originalBytes <= bytesMax) return { text: content };
  // A UTF-16 unit is at least one byte: what is behind the limit need not be encoded.
  const cut = Buffer.from(content.slice(0, bytesMax)).subarray(0, bytesMax).toString('utf8');
  // A character that was cut in half decodes to the replacement character.
  return { text: cut.endsWith('\ufffd') ? cut.slice(0, -1) : cut, originalBytes };
}

/** A text inside of a record, cut as a content is. It says so itself, because it has no fields beside it. */
export function cutValue(text: string): string {
  const { text: cut, originalBytes } = cutContent(text);
  return originalBytes === undefined ? text : `${cut}[truncated: ${originalBytes} bytes]`;
}
