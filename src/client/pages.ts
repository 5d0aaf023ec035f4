import { answerOf, type Call, type Send, signalOf } from './send.ts';

interface Page {
  readonly items: readonly unknown[];
  readonly next_cursor: string | null;
}

/**
 * The items of all pages, one after the other. The next page is asked for when the items before are taken. Throws the reason of
 * `signal`, or of the signal of the call, once it is aborted: also before an item of a page that is there.
 */
export async function* itemsOf(
  send: Send,
  call: Call,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  const ending = signalOf(signal, call.options?.signal);
  for await (const item of call.operation.paging === 'link' ? linesOf(send, call) : pagesOf(send, call)) {
    ending?.throwIfAborted();
    yield item;
  }
}

async function* pagesOf(send: Send, call: Call): AsyncGenerator<unknown> {
  const name = call.operation.paging === 'after' ? 'after' : 'cursor';
  let query: Record<string, unknown> = { ...call.query };
  for (;;) {
    const page = (await answerOf(await send({ ...call, query }), call.operation)) as Page;
    yield* page.items;
    const { next_cursor: next } = page;
    // The feed has a cursor at its end, too: the same one.
    if (next === null || next === query[name]) return;
    query = { ...query, [name]: next };
  }
}

/** Lines of a window when the query names none: the whole file would be one answer. */
const LINES = 1_000;

async function* linesOf(send: Send, call: Call): AsyncGenerator<unknown> {
  const { tail, before, limit } = (call.query ?? {}) as Record<string, unknown>;
  const isWhole = tail === undefined && limit === undefined;
  let query: object = isWhole ? { ...call.query, limit: LINES } : { ...call.query };
  for (;;) {
    const response = await send({ ...call, query });
    yield* (await answerOf(response, call.operation)) as readonly unknown[];
    const next = nextQuery(response.headers.get('link') ?? '');
    // The last lines, and those before one, are all that was asked for.
    if (next === undefined || tail !== undefined || before !== undefined) return;
    query = next;
  }
}

/** The query of the link `rel="next"`. Its path may be another one behind a proxy. */
function nextQuery(link: string): object | undefined {
  const query = /<[^<>?]*\?([^<>]*)>\s*;\s*rel="next"/.exec(link)?.[1];
  return query === undefined ? undefined : Object.fromEntries(new URLSearchParams(query));
}
