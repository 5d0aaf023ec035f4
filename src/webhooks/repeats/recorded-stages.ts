import { STAGES } from '../../model/documents.ts';
import { parseObject } from '../../model/json.ts';
import type { FlowWindow, WindowQuery } from '../../model/task-reading.ts';

/** As `Reader.openWindow`. */
export type OpenFlowWindow = (
  taskId: string,
  flow: 'webhook-flow',
  query: WindowQuery,
) => Promise<FlowWindow | undefined>;

/** A webhook has six stages. The rest would be lines of other senders. */
const LINES_MAX = 100;

/**
 * The stages that the trail has recorded of a task. Lines of other senders do not count. A flow that cannot be read counts as
 * complete, so that nothing is recorded twice; `onError` receives the reason.
 */
export async function readRecordedStages(
  taskId: string,
  openWindow: OpenFlowWindow,
  onError: (error: unknown) => void,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  try {
    const window = await openWindow(taskId, 'webhook-flow', { limit: LINES_MAX });
    if (window === undefined) return found;
    try {
      for await (const text of window.lines()) {
        const line = parseObject(text);
        if (line !== undefined && line.sender === undefined) found.add(String(line.stage));
      }
    } finally {
      await window.close();
    }
    return found;
  } catch (error) {
    onError(error);
    return new Set(STAGES);
  }
}
