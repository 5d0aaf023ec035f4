import type { CallOptions, Operation } from './operation.ts';
import { problemOf, unreadable } from './problem.ts';

export interface ClientOptions {
  /** Of the service. Default `http://127.0.0.1:8000`; in a page `location.origin` is its own. */
  readonly url?: string | URL | undefined;
  /** Where the API is mounted below it. Default `/api`. */
  readonly apiPath?: string | undefined;
  /** `TASK_LOGS_API_TOKEN` of the service, or a function that gives it for each request. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Ends all calls and streams. */
  readonly signal?: AbortSignal | undefined;
  /** Default: that of the platform. */
  readonly fetch?: typeof fetch | undefined;
}

/** The parts of a call. */
export interface Call {
  readonly operation: Operation;
  /** For the names in the path, in their order. */
  readonly ids: readonly string[];
  readonly query?: object | undefined;
  readonly body?: unknown;
  readonly options?: CallOptions | undefined;
}

/** Sends a call. Resolves with an answer of success; throws `ApiProblem` for another one. */
export type Send = (call: Call) => Promise<Response>;

export function createSend(client: ClientOptions): Send {
  const { fetch: ask = (input, init) => fetch(input, init), headers } = client;
  return async (call) => {
    const { operation, body, options } = call;
    const token = typeof client.token === 'function' ? await client.token() : client.token;
    const response = await ask(urlOf(client, call), {
      method: operation.method,
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        // A page of another origin must send it with every POST.
        ...(operation.method === 'POST' && { 'Content-Type': 'application/json' }),
        ...headers,
        ...options?.headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signalOf(client.signal, options?.signal),
    });
    if (response.ok || operation.alsoAnswers?.includes(response.status)) return response;
    throw await problemOf(response);
  };
}

/** The signal that ends a call; null: none. */
export function signalOf(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | null {
  if (one === undefined || other === undefined) return one ?? other ?? null;
  return AbortSignal.any([one, other]);
}

/** The value of an answer. */
export async function answerOf(response: Response, { answer }: Operation): Promise<unknown> {
  if (answer === 'text') return response.text();
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    // A SyntaxError, of which the user knows nothing.
    throw unreadable(response.status, 'the answer is not JSON');
  }
}

/** A path without the slashes at its end. */
function withoutSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

function urlOf({ url = 'http://127.0.0.1:8000', apiPath = '/api' }: ClientOptions, call: Call): string {
  const base = withoutSlashes(String(url));
  const ids = [...call.ids];
  const path = call.operation.path
    .replace(/^\/api(?=\/)/, withoutSlashes(apiPath))
    .replaceAll(/\{\w+\}/g, () => segment(ids.shift()));
  const query = queryText(call.query ?? {});
  return `${base}${path}${query === '' ? '' : `?${query}`}`;
}

/** A URL takes `..` for the folder above. */
function segment(id: string | undefined): string {
  if (typeof id !== 'string' || ['', '.', '..'].includes(id)) throw new TypeError(`no id: ${id}`);
  return encodeURIComponent(id);
}

function queryText(query: object): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== null) text.append(name, String(one));
  return text.toString();
}
