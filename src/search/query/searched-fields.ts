/** A field of tasks of which a query names values. */
export type TaskTextField =
  | 'status'
  | 'source'
  | 'provider'
  | 'agent'
  | 'model'
  | 'command'
  | 'repo'
  | 'workflow_id'
  | 'error_type'
  | 'trace_id'
  | 'issue'
  | 'comment_id'
  | 'url'
  | 'tool';

/** The same of workflows and deliveries. */
export type RecordTextField =
  | 'status'
  | 'name'
  | 'work_item_id'
  | 'project'
  | 'environment'
  | 'phase'
  | 'step'
  | 'workflow_id'
  | 'task_id'
  | 'provider'
  | 'outcome'
  | 'event_type'
  | 'delivery_id'
  | 'reason';

export type TextField = TaskTextField | RecordTextField;

/** A field of which a query names a range. */
export type NumberField = 'cost' | 'tokens' | 'duration' | 'attempt';
