import { isPathSafeId, isTraceId, isWorkflowId } from './ids.ts';
import type { JsonObject } from './json.ts';

/** Links to a trace in trace viewers: all of them, and the first one. Both are missing when there is none. */
export interface TraceLinks {
  readonly trace?: string;
  readonly traces?: readonly string[];
}

const PLACEHOLDER = /\{(trace_id|task_id|workflow_id)\}/g;

/** Links for a task, from its `metadata.json`. `{workflow_id}` is its first workflow. */
export function taskTraceLinks(templates: readonly string[], metadata: JsonObject): TraceLinks {
  const { trace_id, task_id, workflow_ids } = metadata;
  const workflow_id = Array.isArray(workflow_ids) ? workflow_ids[0] : undefined;
  return linksFrom(templates, { trace_id, task_id, workflow_id });
}

/** Links for a workflow, from its state or document. `{task_id}` is its first task. */
export function workflowTraceLinks(templates: readonly string[], workflow: JsonObject): TraceLinks {
  const { trace_id, task_ids, workflow_id } = workflow;
  const task_id = Array.isArray(task_ids) ? task_ids[0] : undefined;
  return linksFrom(templates, { trace_id, task_id, workflow_id });
}

/** A template with a placeholder whose value is unknown gives no link. */
function linksFrom(templates: readonly string[], ids: JsonObject): TraceLinks {
  const { trace_id, task_id, workflow_id } = ids;
  const values = new Map<string, string>();
  if (isTraceId(trace_id)) values.set('trace_id', trace_id);
  if (isPathSafeId(task_id)) values.set('task_id', task_id);
  if (isWorkflowId(workflow_id)) values.set('workflow_id', workflow_id);
  const traces = templates.flatMap((template) => {
    const names = [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
    if (!names.every((name) => values.has(name))) return [];
    return [
      template.replaceAll(PLACEHOLDER, (_, name: string) => encodeURIComponent(values.get(name) ?? '')),
    ];
  });
  const [trace] = traces;
  return trace === undefined ? {} : { trace, traces };
}
