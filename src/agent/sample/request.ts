/** The request is copied into a file and shown in the log. An agent would not read more of a pasted build log either. */
const REQUEST_BYTES_MAX = 20_000;

/** Length of a title that fits a line of a terminal together with its prefix. */
const TITLE_CHARS_MAX = 60;

/** Reads standard input to its end and returns its start as text. Invalid UTF-8 becomes U+FFFD. */
export async function readRequest(): Promise<string> {
  // A terminal would wait for input that no person knows to type.
  if (process.stdin.isTTY) return '';
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of process.stdin) {
      // The rest is read and dropped: a closed pipe would end the writer with SIGPIPE.
      if (bytes < REQUEST_BYTES_MAX) chunks.push(Buffer.from(chunk));
      bytes += chunk.length;
    }
  } catch {
    // EISDIR, EIO: the bytes so far are the request.
  }
  const start = Buffer.concat(chunks).subarray(0, REQUEST_BYTES_MAX);
  // `stream` drops a character that the limit has cut.
  const text = new TextDecoder().decode(start, { stream: bytes > REQUEST_BYTES_MAX });
  return bytes > REQUEST_BYTES_MAX ? `${text}\n[cut after ${REQUEST_BYTES_MAX} of ${bytes} bytes]\n` : text;
}

/** The first line with a visible character as a JSON string; undefined when there is none. */
export function titleOf(request: string): string | undefined {
  const lines = request.split(/\r?\n/).map((line) => line.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim());
  const first = lines.find((line) => line !== '');
  if (first === undefined) return undefined;
  // By code point: a surrogate pair must stay whole.
  const characters = [...first];
  const isLong = characters.length > TITLE_CHARS_MAX;
  return JSON.stringify(isLong ? `${characters.slice(0, TITLE_CHARS_MAX).join('')}...` : first);
}
