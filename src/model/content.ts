/** Limit of the file format for one content. Many tools cannot read longer lines. */
const CONTENT_BYTES_MAX = 1024 * 1024;

/** Cuts a content to 1 MiB of UTF-8, between characters. `originalBytes` is set only when it was cut. */
export function cutContent(content: string): { text: string; originalBytes?: number } {
  // A UTF-16 unit is at most three bytes of UTF-8: most contents need no count.
  if (content.length * 3 <= CONTENT_BYTES_MAX) return { text: content };
  const originalBytes = Buffer.byteLength(content);
  if (originalBytes <= CONTENT_BYTES_MAX) return { text: content };
  const cut = Buffer.from(content).subarray(0, CONTENT_BYTES_MAX).toString('utf8');
  // A character that was cut in half decodes to the replacement character.
  return { text: cut.endsWith('\ufffd') ? cut.slice(0, -1) : cut, originalBytes };
}
