import type { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';

/** Headers of answers that carry a meaning, with the sentence of the OpenAPI document. */
export const HEADERS = {
  Link: 'RFC 8288: the next window (`rel="next"`) and the previous one (`rel="prev"`), while there are any',
  Location: 'the path of the task',
  'Task-Logs-First-Line': 'of a window: the number of its first line in the file, from 0',
  'Task-Logs-Left-Out':
    'of a window: numbers of the lines in it that the answer leaves out, as `3,7-9`; absent for none, and for more than 200 runs of them',
  'Task-Logs-Lines': 'of a window: how many lines the file has, damaged ones included',
  'Task-Logs-Partial':
    '`true`: a part of the store is away, and the answer lacks what is in it; absent for a whole answer',
  'Task-Logs-Skipped-Lines': 'damaged lines that the answer leaves out',
} as const;
export type HeaderName = keyof typeof HEADERS;

/** What an answer holds. */
export type AnswerContent =
  | { readonly json: z.ZodType }
  /** Server-sent events: the JSON of `data` by the name of the event. */
  | { readonly events: Readonly<Record<string, z.ZodType>> }
  | { readonly text: string }
  | 'nothing';

export interface EndpointAnswer {
  readonly description: string;
  readonly content: AnswerContent;
  readonly headers?: readonly HeaderName[];
}

/** How a client gets the following pages: with the `next_cursor` of the answer as a parameter, or by its `Link`. */
export type Paging = 'cursor' | 'after' | 'link';

/**
 * One request of the REST API: a row of `docs/rest.md`, an operation of the OpenAPI document and a method of the client. The
 * schemas of `query` and `body` are those that check the request.
 */
export interface Endpoint {
  /** The operation, as the client's method is called. */
  readonly name: string;
  readonly method: 'GET' | 'POST';
  /** From the root of the service, with `{name}` for a part of the path. */
  readonly path: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** The answer as `docs/rest.md` says it, in Markdown. */
  readonly answer: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Answers that are no errors, by status. */
  readonly answers: Readonly<Record<number, EndpointAnswer>>;
  /** Codes of the problems that it answers with, beside those that every request may get. */
  readonly errors?: readonly ErrorCode[];
  /** Problems whose status is not the one of their code. */
  readonly otherErrors?: Readonly<Record<number, ErrorCode>>;
  readonly paging?: Paging;
  /** Whether it takes no token. */
  readonly isOpen?: boolean;
  /** Whether its answers are of another protocol: it is in no OpenAPI document and no client. */
  readonly isOtherProtocol?: boolean;
}

/** An answer with JSON. */
export function json(
  description: string,
  schema: z.ZodType,
  headers?: readonly HeaderName[],
): EndpointAnswer {
  return { description, content: { json: schema }, ...(headers && { headers }) };
}
