import type { JsonObject } from '../../../model/json.ts';
import { isoFromMs } from '../../../model/time.ts';
import type { Candidate, NotifySource } from '../../../notify/candidate.ts';
import { WAITS_MAX, waitIn } from '../../../notify/told-records.ts';
import type { TaskViews } from '../../../warehouse/read/task-view.ts';
import type { WorkflowCatalog } from '../../../warehouse/read/workflow-catalog.ts';

export interface RowNotifySourceOptions {
  readonly views: TaskViews;
  readonly workflows: WorkflowCatalog;
  /** Up to where rows have been looked at. Milliseconds since the epoch. */
  seenMs(): number;
  /** What has come since then, as it is noted while the service runs. */
  since(ms: number): AsyncIterable<Candidate>;
}

/** What the notifier reads of a VictoriaLogs. */
export function createRowNotifySource({
  views,
  workflows,
  seenMs,
  since,
}: RowNotifySourceOptions): NotifySource {
  return {
    readTask: async (taskId) => {
      const view = await views.read(taskId);
      const metadata = view?.document('metadata');
      if (view === undefined || metadata === undefined) return undefined;
      return { metadata, input: view.document('input'), result: view.document('final-result') };
    },
    waitsOf: async (taskId) => {
      const facts = (await views.read(taskId))?.facts ?? [];
      return facts.flatMap((fact) => waitIn({ ...fact } as JsonObject) ?? []).slice(-WAITS_MAX);
    },
    readWorkflow: async (workflowId) => {
      const state = (await workflows.read(workflowId))?.state;
      // As REST shows it: plain JSON.
      return state && (JSON.parse(JSON.stringify(state)) as JsonObject);
    },
    mark: async () => ({ at: isoFromMs(seenMs()), feed: undefined }),
    since: ({ at }) => since(Date.parse(at)),
  };
}
