import type { DeliveryLine, FinalResult, Metadata } from '../../model/documents.ts';
import { objectOf } from '../../model/json.ts';
import type { WorkflowDocument } from '../../model/workflow.ts';
import type { TaskEnd, WorkflowEnd } from '../../store/write/observer.ts';

const METADATA = [
  'task_id',
  'status',
  'completed_at',
  'trace_id',
  'assigned_agent',
  'provider',
  'source',
  'model',
] as const;
const RESULT = ['status', 'metrics'] as const;
const DOCUMENT = ['attempt', 'completeness', 'measured'] as const;
const DELIVERY = ['provider', 'outcome', 'reason', 'count', 'reasons'] as const;

type ResultFacts = Pick<FinalResult, (typeof RESULT)[number]> & { readonly error_type?: unknown };
type DocumentFacts = Pick<WorkflowDocument, (typeof DOCUMENT)[number] | 'payload'>;

/** The holder's time of the end is not in the schema of the document. */
type MetadataFacts = Pick<Metadata, (typeof METADATA)[number]> & { readonly end_received_at?: unknown };

/** What metrics need of the end of a task. */
export interface TaskEndFacts {
  readonly metadata: MetadataFacts;
  readonly result: ResultFacts;
  readonly before: ResultFacts | undefined;
}

/** What metrics need of the end of a workflow. */
export interface WorkflowEndFacts {
  readonly name: string | null;
  readonly document: DocumentFacts;
  readonly before: DocumentFacts | undefined;
}

/** What metrics need of a delivery. */
export type DeliveryFacts = Pick<DeliveryLine, (typeof DELIVERY)[number]>;

/** Without its stages: each value is copied for the other thread. */
export function deliveryFacts(line: DeliveryLine): DeliveryFacts {
  return picked(line, DELIVERY);
}

/** Without the texts of the task, which may be long. */
export function taskEndFacts({ metadata, result, before }: TaskEnd): TaskEndFacts {
  return {
    metadata: { ...picked(metadata, METADATA), end_received_at: (metadata as MetadataFacts).end_received_at },
    result: resultFacts(result),
    before: before && resultFacts(before),
  };
}

/** Without the events of the workflow. */
export function workflowEndFacts({ name, document, before }: WorkflowEnd): WorkflowEndFacts {
  return { name, document: documentFacts(document), before: before && documentFacts(before) };
}

function resultFacts(result: ResultFacts): ResultFacts {
  return { ...picked(result, RESULT), error_type: result.error_type };
}

function documentFacts(document: WorkflowDocument): DocumentFacts {
  const { status } = objectOf(document.payload);
  return { ...picked(document, DOCUMENT), payload: status === undefined ? {} : { status } };
}

function picked<T, K extends keyof T>(value: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, value[name]])) as Pick<T, K>;
}
