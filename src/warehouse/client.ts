import { messageOf, TasktrailError } from '../errors.ts';
import { isJsonObject, parseJson } from '../model/json.ts';
import { firstOfText } from '../model/text.ts';
import { readStoreAddress } from './store-address.ts';

/** A row of an answer: every value is text. A field that is empty is absent. */
export type Row = Readonly<Record<string, string | undefined>>;

export interface VictoriaLogsOptions {
  /** Default 15 s: a flush of a busy server takes a part of a second. */
  readonly insertMs?: number;
  /** Time to the first byte of an answer, and between two. Default 35 s: VictoriaLogs itself ends a query after 30 s. */
  readonly silenceMs?: number;
  /** Whether an answer may lack what is in a part of a cluster that is away, without a sign of it. Default: it is refused. */
  readonly isPartial?: boolean;
}

/** A part of a cluster is away, or whatever stands in front of it reaches none: answers of the other parts may be had. */
export class PartAwayError extends TasktrailError {}

const INSERT_MS = 15_000;
const SILENCE_MS = 35_000;

/** Between two requests that make lines visible: with readers at three services eight a second, which is little work. */
const FLUSH_MS = 400;

/** After a refusal: by a proxy that does not lead there, or with `-forceFlushAuthKey`. */
const FLUSH_AGAIN_MS = 60_000;

/** Longest row of an answer: rows are written up to 256 KiB, and their text is escaped once more. */
const ROW_CHARS_MAX = 1_048_576;

/** Characters of an error's text that are kept. */
const ERROR_CHARS_MAX = 300;

/** Fields by which VictoriaLogs keeps rows together. */
const STREAM_FIELDS = 'app,kind,shard';

/** To pack and unpack an answer takes longer than to send it from one machine to the next. */
const QUERY_HEADERS = {
  'Content-Type': 'application/x-www-form-urlencoded',
  'Accept-Encoding': 'identity',
} as const;

/** The HTTP API of one VictoriaLogs, or of the `vlinsert` and `vlselect` of a cluster behind one address. */
export class VictoriaLogs {
  /** Without a password. */
  readonly name: string;
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #insertMs: number;
  readonly #silenceMs: number;
  readonly #isPartial: boolean;
  readonly #mayFlush: boolean;
  #flushAtMs = 0;
  #aheadMs: number | null = null;

  /** `address`: as `StoreAddress`. */
  constructor(address: string, options: VictoriaLogsOptions = {}) {
    const { insertMs = INSERT_MS, silenceMs = SILENCE_MS, isPartial = false } = options;
    const { url, headers, mayFlush } = readStoreAddress(address);
    this.#mayFlush = mayFlush;
    this.#url = url;
    this.name = url.origin + (url.pathname === '/' ? '' : url.pathname);
    this.#headers = headers;
    this.#insertMs = insertMs;
    this.#silenceMs = silenceMs;
    this.#isPartial = isPartial;
  }

  /** Milliseconds by which our clock is ahead of that of the last answer; null before there was one. */
  get aheadMs(): number | null {
    return this.#aheadMs;
  }

  /** Resolves when VictoriaLogs answers and understands a query. Throws `ERR_STORE_UNAVAILABLE`. */
  async check(): Promise<void> {
    for await (const _ of this.query('* | fields _time | limit 1')) break;
  }

  /**
   * Adds rows, one JSON object a line. Resolves when VictoriaLogs has accepted all of them: they are in its memory, which it writes
   * to its disk within five seconds by default.
   */
  async insert(lines: string): Promise<void> {
    const url = this.#at('insert/jsonline', { _stream_fields: STREAM_FIELDS });
    const signal = AbortSignal.timeout(this.#insertMs);
    const response = await this.#fetch(url, {
      method: 'POST',
      // Another type is read as a form: the rows would be lost, and the answer would be 200.
      headers: { ...this.#headers, 'Content-Type': 'application/stream+json' },
      body: lines,
      signal,
    });
    try {
      await response.arrayBuffer();
    } catch (error) {
      throw this.#unavailable(`the answer broke off: ${messageOf(error)}`, error);
    }
  }

  /**
   * Makes what was accepted before visible, which takes up to a second otherwise, unless that was done shortly before. Never
   * rejects: without it lines are visible later.
   */
  async makeVisible(): Promise<void> {
    if (!this.#mayFlush || performance.now() < this.#flushAtMs) return;
    this.#flushAtMs = performance.now() + FLUSH_MS;
    try {
      const url = this.#at('internal/force_flush');
      const signal = AbortSignal.timeout(this.#insertMs);
      await (await this.#fetch(url, { headers: this.#headers, signal })).arrayBuffer();
    } catch {
      this.#flushAtMs = performance.now() + FLUSH_AGAIN_MS;
    }
  }

  /** The rows of a query, as they come. Ends the query when they are not read to the end. */
  async *query(query: string): AsyncGenerator<Row> {
    for await (const rows of this.pieces(query)) yield* rows;
  }

  /** As `query`, by the pieces in which the answer comes: a turn for each row takes longer than to read it. */
  async *pieces(query: string): AsyncGenerator<readonly Row[]> {
    const aborted = new AbortController();
    let silence = setTimeout(() => aborted.abort(), this.#silenceMs);
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => aborted.abort(), this.#silenceMs);
    };
    try {
      const response = await this.#fetch(this.#at('select/logsql/query'), {
        method: 'POST',
        headers: { ...this.#headers, ...QUERY_HEADERS },
        body: new URLSearchParams({ query, allow_partial_response: this.#isPartial ? '1' : '0' }).toString(),
        signal: aborted.signal,
      });
      heard();
      yield* this.#rowsOf(response, heard);
    } finally {
      clearTimeout(silence);
      aborted.abort();
    }
  }

  /** Its own metrics, in the text format of Prometheus. Undefined where what stands in front of it does not lead there. */
  async metrics(): Promise<string | undefined> {
    try {
      const signal = AbortSignal.timeout(this.#insertMs);
      return await (await this.#fetch(this.#at('metrics'), { headers: this.#headers, signal })).text();
    } catch {
      // ERR_STORE_UNAVAILABLE: what is away says so at the next request.
      return undefined;
    }
  }

  async rows(query: string): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for await (const piece of this.pieces(query)) for (const row of piece) rows.push(row);
    return rows;
  }

  async *#rowsOf({ body }: Response, heard: () => void): AsyncGenerator<readonly Row[]> {
    if (body === null) return;
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
        heard();
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > ROW_CHARS_MAX) throw this.#unavailable('a row of its answer is too long');
        if (lines.length > 0) yield this.#rowsIn(lines);
      }
    } catch (error) {
      if (error instanceof TasktrailError) throw error;
      throw this.#unavailable(`the answer broke off: ${messageOf(error)}`, error);
    }
    // Each row ends in a newline: what an answer ends with otherwise is a part of one.
    if (rest !== '') throw this.#unavailable('its answer ends within a row');
  }

  /** Parsed at once, which takes less time than one by one. */
  #rowsIn(lines: readonly string[]): readonly Row[] {
    const rows = parseJson(`[${lines.join(',')}]`);
    if (Array.isArray(rows) && rows.length === lines.length && rows.every(isJsonObject)) return rows as Row[];
    return lines.map((line) => this.#rowOf(line));
  }

  /** After the first rows an error has no status of its own: its text stands between them. */
  #rowOf(line: string): Row {
    const row = parseJson(line);
    if (isJsonObject(row)) return row as Row;
    throw this.#unavailable(`its answer has a line that is no row: ${shortText(line)}`);
  }

  #at(path: string, parameters: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(this.#url);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${path}`;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await send(url, init);
    } catch (error) {
      throw this.#unavailable(reasonOf(error), error);
    }
    const dateMs = Date.parse(response.headers.get('date') ?? '');
    if (!Number.isNaN(dateMs)) this.#aheadMs = Date.now() - dateMs;
    if (response.status === 200) return response;
    const text = await textOf(response);
    const reason = `it answers ${response.status}${text === '' ? '' : `: ${text}`}`;
    // vlselect answers so when a storage node does not.
    throw this.#unavailable(reason, undefined, response.status === 502 ? PartAwayError : TasktrailError);
  }

  #unavailable(reason: string, cause?: unknown, Kind = TasktrailError): TasktrailError {
    const message = `VictoriaLogs at ${this.name}: ${reason}`;
    return new Kind('ERR_STORE_UNAVAILABLE', message, { retryable: true, cause });
  }
}

/**
 * A connection that is kept may end just when it is used again, as when what stands in front of a cluster is reloaded. Rows that are
 * added twice are returned once, so the request goes out a second time.
 */
async function send(url: URL, init: RequestInit): Promise<Response> {
  const request = { ...init, redirect: 'error' } as const;
  try {
    return await fetch(url, request);
  } catch (error) {
    if (!hasEnded(error)) throw error;
    return fetch(url, request);
  }
}

function hasEnded(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(String(Reflect.get(Object(cause), 'code')));
}

/** The first characters of an answer that is an error. */
async function textOf(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > ERROR_CHARS_MAX) break;
    }
  } catch {
    // The connection broke: the status says enough.
  }
  return shortText(text);
}

function shortText(text: string): string {
  return firstOfText(text.replace(/\s+/g, ' ').trim(), ERROR_CHARS_MAX);
}

/** `fetch` hides why behind "fetch failed". */
function reasonOf(error: unknown): string {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
    return 'it does not answer';
  const cause = error instanceof Error ? error.cause : undefined;
  return messageOf(cause ?? error);
}
