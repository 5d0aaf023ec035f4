/** The contract's limit for one content; more of it would make a line that tools choke on. */
const CONTENT_BYTES_MAX = 1024 * 1024;

/** A content of at most 1 MiB of UTF-8, cut between characters; `originalBytes` only when it was cut. */
export function cutContent(content: string): { text: string; originalBytes?: number } {
  // A UTF-16 unit is at most three bytes: most contents need no count.
  if (content.length * 3 <= CONTENT_BYTES_MAX) return { text: content };
  const originalBytes = Buffer.byteLength(content);
  if (originalBytes <= CONTENT_BYTES_MAX) return { text: content };
  const cut = Buffer.from(content).subarray(0, CONTENT_BYTES_MAX).toString('utf8');
  // A character cut in half decodes to the replacement character.
  return { text: cut.endsWith('\ufffd') ? cut.slice(0, -1) : cut, originalBytes };
}
