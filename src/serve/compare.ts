import { z } from 'zod';
import { COMPARED_ROWS, type ComparedRows, compareRuns } from '../compare/compare-runs.ts';
import type { RunName } from '../compare/read-run.ts';
import { sideOfText } from '../compare/side-name.ts';
import { ATTEMPT_MAX, attemptIn } from '../model/attempt.ts';
import { checkId } from '../model/ids.ts';
import { written } from './contract/parameter.ts';
import { sendJson } from './json-response.ts';
import { readQuery } from './query.ts';
import type { Reader } from './reader.ts';
import type { Answer, Methods } from './routes.ts';
import { WorkGate } from './work-gate.ts';

/** A comparison reads two outputs and keeps some ten megabytes. */
const COMPARE_LIMITS = { runningMax: 2, waitingMax: 10 };

const ATTEMPT_RULE = `must be a number from 1 to ${ATTEMPT_MAX}`;

/** `checkId` says what is wrong with an id. */
const side = written(
  z.string({ error: 'name a task, or an attempt of this one' }).min(1, 'must not be empty').max(200),
  { type: 'string', pattern: '^(task:)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' },
);

const attempt = written(
  z
    .string()
    .regex(/^\d{1,9}$/, ATTEMPT_RULE)
    .transform(Number)
    .refine((value) => attemptIn(value) !== undefined, ATTEMPT_RULE)
    .optional(),
  { type: 'integer', minimum: 1, maximum: ATTEMPT_MAX },
);

interface CompareQuery {
  readonly with: string;
  readonly attempt?: number | undefined;
  readonly with_attempt?: number | undefined;
  readonly rows?: ComparedRows | undefined;
}

/** The parameters of a comparison. */
export const compareQuery: z.ZodType<CompareQuery> = z
  .strictObject({
    with: side,
    attempt,
    with_attempt: attempt,
    rows: z.enum(COMPARED_ROWS, { error: `must be one of ${COMPARED_ROWS.join(', ')}` }).optional(),
  })
  .refine((query) => query.with_attempt === undefined || sideOfText(query.with).attempt === undefined, {
    path: ['with_attempt'],
    message: 'with is an attempt already',
  });

/** `/tasks/:id/compare`: two attempts of a task, or two tasks, side by side. */
export function compareRoutes(reader: Reader): Readonly<Record<string, Methods>> {
  const gate = new WorkGate('comparisons', COMPARE_LIMITS);
  return { '/tasks/:id/compare': { GET: showComparison(reader, gate) } };
}

function showComparison(reader: Reader, gate: WorkGate): Answer {
  return async (req, res) => {
    const id = checkId('task id', req.params.id);
    const query = readQuery(req.url ?? '', compareQuery);
    const sides = sidesOf(id, query);
    // Two large files are not read for a client that has left.
    const compared = await gate.runFor(res, (signal) =>
      compareRuns(reader, sides, { signal, rows: query.rows, words: wordsOf(query) }),
    );
    if (compared !== undefined) sendJson(res, { status: 200, value: compared.value });
  };
}

function sidesOf(id: string, query: CompareQuery): readonly [RunName, RunName] {
  const other = sideOfText(query.with);
  return [
    { taskId: id, attempt: query.attempt },
    other.task !== undefined
      ? { taskId: checkId('with', other.task), attempt: query.with_attempt }
      : { taskId: id, attempt: other.attempt },
  ];
}

function wordsOf(query: CompareQuery): NonNullable<Parameters<typeof compareRuns>[2]['words']> {
  const isAttempt = sideOfText(query.with).attempt !== undefined;
  return {
    a: { task: '', attempt: 'attempt: ' },
    b: { task: 'with: ', attempt: isAttempt ? 'with: ' : 'with_attempt: ' },
  };
}
