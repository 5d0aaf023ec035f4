import { isJsonObject } from '../../../model/json.ts';
import { isMark } from '../../../model/sender.ts';
import type { FactLine } from '../../../project/change.ts';
import type { LineKey } from './line-file.ts';
import { sentId } from './sent-line.ts';

/** Key of a fact: requires every field that the fold reads. */
export function factKey(line: unknown): LineKey | undefined {
  return isFactLine(line) ? { id: sentId(line), timestamp: line.timestamp } : undefined;
}

/** Validates a line for the fold: it may have been edited by hand. */
export function isFactLine(line: unknown): line is FactLine {
  if (!isJsonObject(line)) return false;
  const { timestamp, event_id: id, event, attempt, body, span, derive } = line;
  return (
    typeof id === 'string' &&
    typeof timestamp === 'string' &&
    !Number.isNaN(Date.parse(timestamp)) &&
    typeof event === 'string' &&
    Number.isSafeInteger(attempt) &&
    (line.sender === undefined || isMark(line.sender)) &&
    isTextOrNull(line.trace_id) &&
    isTextOrNull(line.span_id) &&
    (body === undefined || isJsonObject(body)) &&
    (span === undefined || isAnnouncement(span)) &&
    (derive === undefined || (isJsonObject(derive) && isJsonObject(derive.attributes)))
  );
}

function isAnnouncement(value: unknown): boolean {
  return (
    isJsonObject(value) &&
    typeof value.name === 'string' &&
    typeof value.kind === 'number' &&
    isTextOrNull(value.parent_id) &&
    isJsonObject(value.attributes)
  );
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}
