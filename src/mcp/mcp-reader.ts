import type { JsonObject } from '../model/json.ts';
import type { Reader } from '../serve/reader.ts';

/** What the tools read. All of it may be called while another process writes. */
export type McpReader = Pick<
  Reader,
  | 'hasTask'
  | 'readDocument'
  | 'openFlow'
  | 'openWindow'
  | 'openTrace'
  | 'listTasks'
  | 'countTasks'
  | 'listDeliveries'
  | 'readWorkflow'
  | 'activityOf'
>;

export interface McpSource {
  readonly reader: McpReader;
  /** The state of the service, or of the directory where there is none. */
  readHealth(): Promise<JsonObject>;
  /** Receives defects, which the client sees only as a failure. */
  onError(error: unknown): void;
}
