import { signal } from '@preact/signals';
import { pageKey } from './page-key.ts';
import { isPartial } from './partial.ts';

/** Where the REST API is, without a slash at its end. */
const API: string =
  document.querySelector<HTMLMetaElement>('meta[name="tasktrail-api"]')?.content.replace(/\/$/, '') ?? '/api';

/** Whether the server asks for the token. */
export const needsLogin = signal(false);

/** An answer other than 2xx, or a request without an answer (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  /** `ERR_...`, or an empty string. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Answered<T> {
  readonly value: T;
  readonly headers: Headers;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/** `path`: below the API, with a slash. Throws `ApiError`, or `AbortError` for an aborted request. */
export async function read<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await readAnswer<T>(path, query, signal)).value;
}

/** As `read`, with the headers of the answer. */
export async function readAnswer<T>(
  path: string,
  query: Query = {},
  signal?: AbortSignal,
): Promise<Answered<T>> {
  return exchange<T>(apiUrl(path, query), signal === undefined ? {} : { signal });
}

export async function post<T>(path: string, body: object = {}): Promise<T> {
  const key = pageKey();
  const headers = {
    'content-type': 'application/json',
    ...(key !== undefined && { 'tasktrail-page-key': key }),
  };
  const answer = await exchange<T>(apiUrl(path), { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.value;
}

export function apiUrl(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') search.set(name, String(value));
  const text = search.toString();
  return API + path + (text === '' ? '' : `?${text}`);
}

/** A request to any address of the server. */
export async function exchange<T>(url: string, init: RequestInit): Promise<Answered<T>> {
  const response = await ask(url, init);
  isPartial.value = response.headers.has('task-logs-partial');
  if (response.ok) return { value: (await response.json()) as T, headers: response.headers };
  const problem: unknown = await response.json().catch(() => ({}));
  if (response.status === 401) needsLogin.value = true;
  const { code, detail, title } = Object(problem) as Record<string, unknown>;
  const text =
    [detail, title].find((one) => typeof one === 'string') ?? `the server answered ${response.status}`;
  throw new ApiError(response.status, typeof code === 'string' ? code : '', String(text));
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, credentials: 'same-origin' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, '', 'the server does not answer');
  }
}
