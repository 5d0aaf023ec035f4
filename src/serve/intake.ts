import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { TasktrailError } from '../errors.ts';
import type { Budget } from '../model/budget.ts';
import { budgetSchema } from '../model/budget-schema.ts';
import { written } from './contract/parameter.ts';
import { mediaTypeOf, readJsonBody } from './json-body.ts';
import { describeIssues } from './query.ts';

/** The body of `POST /tasks`. */
export interface TaskOrder {
  readonly message: string;
  readonly agent?: string;
  readonly command?: string;
  readonly budget?: Budget;
}

/** `cancelled`: the task will not start. `cancelling`: its agent is being ended; the task's result will say so. */
export type CancelAnswer = 'cancelled' | 'cancelling';

/** Receives the tasks of `POST /tasks` and the requests of `POST /tasks/{id}/cancel`. */
export interface Intake {
  /** Resolves when the task is queued; rejects with `ERR_QUEUE_UNAVAILABLE` when that is not possible. */
  submit(order: TaskOrder): Promise<{ readonly taskId: string }>;
  /**
   * Rejects with `ERR_NOT_FOUND` for an unknown task, and `ERR_CONFLICT` for one that has ended. Absent: no task can be
   * cancelled.
   */
  cancel?(taskId: string): Promise<CancelAnswer>;
}

/** Bytes. The message is a text for an agent; larger contents belong in a file. */
const BODY_BYTES_MAX = 1_048_576;

/** As for webhooks: a megabyte needs a fraction of it. */
const BODY_MS = 10_000;

const name = z.string().min(1, 'must not be empty').max(200).optional();

/** The body of `POST /tasks`. */
export const taskOrderBody: z.ZodType<{
  readonly message: string;
  readonly agent?: string | undefined;
  readonly command?: string | undefined;
  readonly budget?: Budget | undefined;
}> = z.strictObject({
  message: written(
    z.string().refine((text) => text.trim() !== '', 'must not be empty'),
    { type: 'string', pattern: '\\S' },
  ),
  agent: name,
  command: name,
  budget: budgetSchema.optional(),
});

/** Reads the body of `POST /tasks`, or takes what a body parser of the user's app has parsed. */
export async function readTaskOrder(req: IncomingMessage, timeoutMs: number = BODY_MS): Promise<TaskOrder> {
  const body = await readJsonBody(req, { bytesMax: BODY_BYTES_MAX, timeoutMs }, 'the task');
  const parsed = taskOrderBody.safeParse(body);
  if (!parsed.success) throw new TasktrailError('ERR_INPUT_INVALID', describeIssues(parsed.error));
  const { message, agent, command, budget } = parsed.data;
  return {
    message,
    ...(agent === undefined ? {} : { agent }),
    ...(command === undefined ? {} : { command }),
    ...(budget === undefined ? {} : { budget }),
  };
}

/**
 * Throws `ERR_TYPE_UNSUPPORTED` for a request without a body that a page of another origin may have sent: a page needs a
 * CORS preflight for `application/json`, and none for a request without a type. Programs send neither header.
 */
export function checkPageRequest(req: IncomingMessage): void {
  const { origin, 'sec-fetch-site': site } = req.headers;
  const isOfPage = origin !== undefined || site !== undefined;
  if (!isOfPage || site === 'same-origin' || mediaTypeOf(req) === 'application/json') return;
  throw new TasktrailError('ERR_TYPE_UNSUPPORTED', 'a page must send Content-Type: application/json');
}
