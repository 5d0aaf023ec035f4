import type { Problem } from './api/shapes.ts';

/**
 * An answer that is an error: `problem` is the document of RFC 9457, `code` its stable code. The code is `HTTP_ERROR` when the
 * answer is none of tasktrail, such as the 502 of a proxy.
 */
export class ApiProblem extends Error {
  readonly problem: Problem;
  readonly status: number;
  readonly code: string;
  /** Milliseconds after which to ask again; undefined when the answer does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Problem, retryAfterMs?: number) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
    this.name = 'ApiProblem';
    this.problem = problem;
    this.status = problem.status;
    this.code = problem.code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The problem of an answer that is an error. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const { status, statusText, headers } = response;
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined;
  const text = await response.text();
  const value = headers.get('content-type')?.startsWith('application/problem+json')
    ? parsed(text)
    : undefined;
  if (isProblem(value)) return new ApiProblem(value, retryAfterMs);
  const detail = text.slice(0, 200) || 'an answer without a text';
  return new ApiProblem(unknownProblem(status, statusText, detail), retryAfterMs);
}

/** What the server sends is not what it should be. */
export function unreadable(status: number, detail: string): ApiProblem {
  return new ApiProblem(unknownProblem(status, 'The answer cannot be read', detail));
}

function unknownProblem(status: number, title: string, detail: string): Problem {
  return { type: 'about:blank', title, status, detail, code: 'HTTP_ERROR' };
}

function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false;
  return 'code' in value && typeof value.code === 'string' && 'status' in value && 'detail' in value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A SyntaxError: the text of a proxy with the type of a problem.
    return undefined;
  }
}
