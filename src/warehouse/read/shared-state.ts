import type { JsonObject } from '../../model/json.ts';

/** What the services that share a store know beside its rows. All of it may be unknown for a while. */
export interface SharedState {
  /** Milliseconds since the last heartbeat of a task. */
  heartbeatAgeMs(taskId: string): Promise<number | undefined>;
  /** The mark of the last upload of a workflow; null: there was none. Undefined: not known, or nothing is uploaded. */
  uploadOf(workflowId: string): Promise<JsonObject | null | undefined>;
}
