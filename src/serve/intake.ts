import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import { describeIssues } from './query.ts';
import { readBody } from './request-body.ts';

/** What `POST /tasks` asks for. */
export interface TaskOrder {
  readonly message: string;
  readonly agent?: string;
  readonly command?: string;
}

/** `cancelled`: it will never start. `cancelling`: its agent is told to end, and the task's result will say it. */
export type CancelAnswer = 'cancelled' | 'cancelling';

/** Where `POST /tasks` hands a task over, and `POST /tasks/{id}/cancel` the wish to end it. */
export interface Intake {
  /** Resolves once the task is queued; `ERR_QUEUE_UNAVAILABLE` when it cannot be. */
  submit(order: TaskOrder): Promise<{ readonly taskId: string }>;
  /** `ERR_NOT_FOUND` for a task that nobody knows, `ERR_CONFLICT` for one that is over. Absent: none can be cancelled. */
  cancel?(taskId: string): Promise<CancelAnswer>;
}

/** A message is text that a person or a program wrote for an agent; contents of that size belong in a file. */
const BODY_BYTES_MAX = 1_048_576;

const name = z.string().min(1, 'must not be empty').max(200).optional();

const schema = z.strictObject({
  message: z.string().refine((text) => text.trim() !== '', 'must not be empty'),
  agent: name,
  command: name,
});

/** The body of `POST /tasks`, read here unless a body parser of the user's app has read it before. */
export async function readTaskOrder(req: IncomingMessage): Promise<TaskOrder> {
  // A form cannot send this type across sites without the browser asking first, so no page can start a task.
  if (mediaType(req) !== 'application/json') {
    throw new TasktrailError('ERR_TYPE_UNSUPPORTED', 'send the task as Content-Type: application/json');
  }
  const parsed = schema.safeParse(
    req.readableDidRead ? parsedBody(req) : parseJson(await readBody(req, { bytesMax: BODY_BYTES_MAX })),
  );
  if (!parsed.success) throw new TasktrailError('ERR_INPUT_INVALID', describeIssues(parsed.error));
  const { message, agent, command } = parsed.data;
  return {
    message,
    ...(agent === undefined ? {} : { agent }),
    ...(command === undefined ? {} : { command }),
  };
}

/** What `express.json()`, `.text()` or `.raw()` left behind. */
function parsedBody(req: IncomingMessage & { readonly body?: unknown }): unknown {
  if (Buffer.isBuffer(req.body)) return parseJson(req.body);
  if (typeof req.body === 'string') return parseJson(Buffer.from(req.body));
  return req.body;
}

function mediaType(req: IncomingMessage): string {
  return (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    // A SyntaxError, or the decoder's TypeError for bytes that are no UTF-8.
    throw new TasktrailError('ERR_INPUT_INVALID', 'the body is not JSON in UTF-8', { cause: error });
  }
}
