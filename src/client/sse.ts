/** A server-sent event (WHATWG HTML, 9.2). */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** What a piece of a stream holds. */
export interface SsePart {
  readonly events: readonly ServerEvent[];
  /** Milliseconds to wait before the next connection, when the server has said so. */
  readonly retryMs: number | undefined;
}

/** Takes the pieces of a stream as they come. An event is complete with the empty line behind it. */
export class SseParser {
  /** The beginning of a line. Joined at its end: an event may come in hundreds of pieces. */
  #rest: string[] = [];
  #endsWithCr = false;
  #isBegun = false;
  #event = '';
  #id: string | undefined;
  #data: string[] = [];

  take(text: string): SsePart {
    const events: ServerEvent[] = [];
    let retryMs: number | undefined;
    for (const line of this.#linesOf(text)) {
      if (line === '') {
        const event = this.#dispatch();
        if (event !== undefined) events.push(event);
      } else retryMs = this.#field(line) ?? retryMs;
    }
    return { events, retryMs };
  }

  #linesOf(text: string): readonly string[] {
    let piece = text;
    if (!this.#isBegun && piece !== '') {
      this.#isBegun = true;
      if (piece.startsWith('\uFEFF')) piece = piece.slice(1);
    }
    // CR LF, of which the second half has come later.
    if (this.#endsWithCr && piece.startsWith('\n')) piece = piece.slice(1);
    if (text !== '') this.#endsWithCr = text.endsWith('\r');
    const lines = piece.split(/\r\n|\n|\r/);
    const last = lines.pop() ?? '';
    if (lines.length === 0) {
      if (last !== '') this.#rest.push(last);
      return [];
    }
    lines[0] = this.#rest.join('') + lines[0];
    this.#rest = last === '' ? [] : [last];
    return lines;
  }

  #field(line: string): number | undefined {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    return name === 'retry' && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  }

  #dispatch(): ServerEvent | undefined {
    const [event, data, id] = [this.#event || 'message', this.#data, this.#id];
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
    return data.length === 0 ? undefined : { event, data: data.join('\n'), id };
  }
}
