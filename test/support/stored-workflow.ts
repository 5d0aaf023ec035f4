import { startTasktrail } from '../../src/index.ts';
import type { StoredWorkflow } from '../../src/model/workflow.ts';

/** Opens a trail, which stores the pending records of the journal, and reads workflows. */
export async function storeWorkflows(
  logDir: string,
  ids: readonly string[],
): Promise<readonly (StoredWorkflow | undefined)[]> {
  const env = { TASK_LOGS_DIR: logDir, TASK_LOGS_OTLP_PORT: '0' };
  const trail = await startTasktrail({ env, cwd: logDir, log: () => {} });
  try {
    await trail.recovered;
    return await Promise.all(ids.map((id) => trail.reader.readWorkflow(id)));
  } finally {
    await trail.shutdown();
  }
}

/** The names of the set completeness flags. */
export function flagsOf(workflow: StoredWorkflow | undefined): readonly string[] {
  return Object.entries(workflow?.state.completeness ?? {}).flatMap(([name, raised]) =>
    raised ? [name] : [],
  );
}
