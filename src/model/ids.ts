import { TasktrailError } from '../errors.ts';
import { firstOfText } from './text.ts';

/** Ids that may become part of a path. Names that start with `_`, `.` or `-` are reserved for the log directory. */
const PATH_SAFE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;

/** Whether a task, workflow or delivery id may become part of a path. */
export function isPathSafeId(id: unknown): id is string {
  return typeof id === 'string' && PATH_SAFE.test(id);
}

/** As `isPathSafeId`, without the suffix `.trace`: that is the span file of another workflow. */
export function isWorkflowId(id: unknown): id is string {
  return isPathSafeId(id) && !id.endsWith('.trace');
}

/** Returns the id unchanged; throws `ERR_ID_INVALID`, naming `what`, when it cannot be part of a path. */
export function checkId(what: string, id: unknown): string {
  if (isPathSafeId(id)) return id;
  throw new TasktrailError(
    'ERR_ID_INVALID',
    `${what} ${printable(id)} is not valid: use 1 to 128 letters, digits, ".", "_" or "-", starting with a letter or digit`,
  );
}

/** As `checkId`, for a workflow id. */
export function checkWorkflowId(id: unknown): string {
  const checked = checkId('workflow id', id);
  if (isWorkflowId(checked)) return checked;
  throw new TasktrailError('ERR_ID_INVALID', `workflow id ${printable(id)} must not end in ".trace"`);
}

/** 32 lower-case hex digits, not all zero (W3C Trace Context). */
export function isTraceId(id: unknown): id is string {
  return typeof id === 'string' && TRACE_ID.test(id);
}

/** 16 lower-case hex digits, not all zero (W3C Trace Context). */
export function isSpanId(id: unknown): id is string {
  return typeof id === 'string' && SPAN_ID.test(id);
}

function printable(id: unknown): string {
  if (typeof id !== 'string') return `(a ${typeof id})`;
  const short = id.length > 60 ? `${firstOfText(id, 60)}...` : id;
  return JSON.stringify(short);
}
