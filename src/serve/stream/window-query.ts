import { z } from 'zod';
import type { FlowWindow, WindowQuery } from '../../model/task-reading.ts';
import { written } from '../contract/parameter.ts';
import { readQuery } from '../query.ts';

/** Lines of a window. Each one is parsed: ten thousand take some hundredths of a second. */
const LINES = 1_000;
const LINES_MAX = 10_000;

/** Ids of events have at most 128 characters. */
const lineId = z.string().min(1, 'must not be empty').max(200).optional();

const RULE = `must be a number from 1 to ${LINES_MAX}`;
const count = written(
  z
    .string()
    .regex(/^\d{1,9}$/, RULE)
    .transform(Number)
    .refine((value) => value >= 1 && value <= LINES_MAX, RULE)
    .optional(),
  { type: 'integer', minimum: 1, maximum: LINES_MAX },
);

/** The parameters of a flow. */
export const windowQuery: z.ZodType<WindowQuery> = z
  .strictObject({ after: lineId, before: lineId, tail: count, limit: count })
  .refine(
    ({ after, before, tail }) => tail === undefined || (after === undefined && before === undefined),
    'tail: not with after or before',
  )
  .refine(({ tail, limit }) => tail === undefined || limit === undefined, 'give one of tail and limit')
  .transform(({ limit = LINES, ...query }) => ({ ...query, limit }));

/** The query of a flow; undefined for the whole flow. Throws `ERR_INPUT_INVALID` naming an invalid parameter. */
export function readWindowQuery(url: string): WindowQuery | undefined {
  return url.includes('?') && !url.endsWith('?') ? readQuery(url, windowQuery) : undefined;
}

/** RFC 8288: the windows behind and before this one. `path` is that of the flow. */
export function windowLinks(
  path: string,
  { next, previous }: Pick<FlowWindow, 'next' | 'previous'>,
  { after, before, tail, limit: lines }: WindowQuery,
): Readonly<Record<string, string>> {
  const links: string[] = [];
  const count = tail ?? lines;
  const isBetween = after !== undefined && before !== undefined;
  // The rest of what was asked for, not the lines behind it.
  const end = isBetween ? `&before=${encodeURIComponent(before)}` : '';
  const add = (rel: string, name: string, id: string): void =>
    void links.push(`<${path}?${name}=${encodeURIComponent(id)}${end}&limit=${count}>; rel="${rel}"`);
  if (next !== undefined) add('next', 'after', next);
  if (!isBetween && previous !== undefined) add('prev', 'before', previous);
  return links.length === 0 ? {} : { Link: links.join(', ') };
}
