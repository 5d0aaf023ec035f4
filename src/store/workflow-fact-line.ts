import { isWorkflowId } from '../model/ids.ts';
import { isJsonObject, type JsonObject, parseJson } from '../model/json.ts';
import { isMark } from '../model/sender.ts';
import { readIso } from '../model/time.ts';
import type { WorkflowEnvelope } from '../model/workflow.ts';
import type { WorkflowFact } from '../project/change.ts';

const TEXTS = ['event_id', 'event_type'];

const TEXTS_OR_NULL = [
  'key',
  'phase',
  'step',
  'task_id',
  'work_item_id',
  'name',
  'project',
  'environment',
  'trace_id',
  'span_id',
  'parent_id',
];

/** Whether a line of `<workflow_id>.facts` is valid: the file may have been edited by hand. */
export function isWorkflowFact(line: unknown): line is WorkflowFact {
  return (
    isEventLine(line) &&
    TEXTS_OR_NULL.every((name) => line[name] === null || typeof line[name] === 'string') &&
    (line.attempt === null || isAttempt(line.attempt)) &&
    (line.phases === null || areTexts(line.phases)) &&
    (line.span === undefined || isSpanStart(line.span)) &&
    (line.derive === undefined || (isJsonObject(line.derive) && isJsonObject(line.derive.attributes)))
  );
}

/** Undefined for a line that is not a fact. */
export function parseFact(text: string): WorkflowFact | undefined {
  const line = parseJson(text);
  return isWorkflowFact(line) ? line : undefined;
}

/** Parses a line of `<workflow_id>.jsonl`; undefined when it is not an envelope. */
export function parseEnvelope(text: string): WorkflowEnvelope | undefined {
  const line = parseJson(text);
  return isEnvelope(line) ? line : undefined;
}

export function isEnvelope(line: unknown): line is WorkflowEnvelope {
  return (
    isEventLine(line) &&
    ['project', 'environment', 'trace_id'].every(
      (name) => line[name] === null || typeof line[name] === 'string',
    ) &&
    ['task_id', 'key'].every((name) => line[name] === undefined || typeof line[name] === 'string') &&
    isAttempt(line.attempt) &&
    (line.phases === undefined || areTexts(line.phases))
  );
}

/** Checks the fields that facts and envelopes share. */
function isEventLine(line: unknown): line is JsonObject {
  return (
    isJsonObject(line) &&
    TEXTS.every((name) => typeof line[name] === 'string' && line[name] !== '') &&
    isWorkflowId(line.workflow_id) &&
    // Timestamps are ordered as text, so only this form sorts correctly.
    typeof line.timestamp === 'string' &&
    readIso(line.timestamp) === line.timestamp &&
    line.payload !== undefined &&
    (line.sender === undefined || isMark(line.sender))
  );
}

function isSpanStart(span: unknown): boolean {
  return (
    isJsonObject(span) &&
    (span.parent_id === null || typeof span.parent_id === 'string') &&
    typeof span.name === 'string' &&
    typeof span.kind === 'number' &&
    isJsonObject(span.attributes)
  );
}

function isAttempt(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
