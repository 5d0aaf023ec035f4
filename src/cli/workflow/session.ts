import { type Config, loadConfig } from '../../config/config.ts';
import { envFileNotes, pickEnvironment } from '../../config/environment.ts';
import { gitRoot } from '../../config/git.ts';
import { TasktrailError } from '../../errors.ts';
import { checkWorkflowId } from '../../model/ids.ts';
import { setFileMode } from '../../system/files/modes.ts';
import { useRedactRules } from '../redact-rules.ts';
import { say } from '../terminal/say.ts';
import { type CurrentWorkflow, CurrentWorkflows } from './current-workflow.ts';
import { deliverSegments } from './deliver.ts';
import { offReason, recordEvent, traceOf } from './event.ts';
import { type RunEvent, type RunLog, WorkflowRun } from './progress.ts';

export interface WorkflowFlags {
  readonly dir?: string;
  /** Default: `TASK_LOGS_WORKFLOW_ID`, else the current workflow of the project. */
  readonly workflow?: string;
}

export interface Session {
  readonly config: Config;
  readonly store: CurrentWorkflows;
}

interface ChangeOptions {
  /** Called for a workflow that has ended, instead of an error. */
  readonly onEnded?: (state: CurrentWorkflow) => void;
  /** Returns without waiting for the delivery of the records. Default false. */
  readonly isDetached?: boolean;
}

/** Throws `ERR_CONFIG_INVALID`. */
export function openSession(flags: WorkflowFlags): Session {
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  useRedactRules(config);
  setFileMode(config.fileMode);
  for (const note of envFileNotes()) say(note);
  return { config, store: new CurrentWorkflows(config.logDir) };
}

/** Changes the selected workflow under its lock. Returns the exit code. */
export async function changeWorkflow(
  flags: WorkflowFlags,
  fn: (run: WorkflowRun, config: Config) => void,
  options: ChangeOptions = {},
): Promise<number> {
  const { config, store } = openSession(flags);
  if (isOff(config)) return 0;
  const workflowId = selectWorkflow(flags, store);
  const segments: string[] = [];
  await store.locked(workflowId, () => {
    const state = loadState(store, workflowId);
    if (state.status === 'running') fn(runOf(state, { config, store }, segments), config);
    else if (options.onEnded !== undefined) options.onEnded(state);
    else {
      throw invalid(
        `workflow ${workflowId} has ended (${state.status}); to resume it: tasktrail workflow start --id ${workflowId}`,
      );
    }
  });
  const delivered = deliverSegments(config, segments);
  return options.isDetached === true ? 0 : delivered;
}

/**
 * A run that continues from this state: its events go to the journal, their segments into the list, its state to the state
 * file.
 */
export function runOf(state: CurrentWorkflow, { config, store }: Session, segments: string[]): WorkflowRun {
  const own = { ...config, project: state.project, environment: state.environment };
  const given = traceOf(config, state.workflow_id, state.task_id ?? undefined);
  const log: RunLog = {
    emit: (event: RunEvent) => {
      const isStart = event.type === 'workflow_start' || event.type === 'workflow_resumed';
      const { segment } = recordEvent(own, {
        ...event,
        workflowId: state.workflow_id,
        taskId: state.task_id ?? undefined,
        name: isStart ? (state.name ?? undefined) : undefined,
        // All events are in the trace of the start. A caller in another trace cannot be a parent in this one.
        trace: given.traceId === state.trace_id ? given : { traceId: state.trace_id },
      });
      segments.push(segment);
    },
    save: (next) => store.write(next),
  };
  return new WorkflowRun(state, log);
}

/** The named workflow, else the current one of the project. Throws `ERR_INPUT_INVALID` when there is none. */
function selectWorkflow(flags: WorkflowFlags, store: CurrentWorkflows): string {
  const given =
    flags.workflow ?? (pickEnvironment(['TASK_LOGS_WORKFLOW_ID']).TASK_LOGS_WORKFLOW_ID || undefined);
  if (given !== undefined) return checkWorkflowId(given);
  const root = projectRoot();
  const current = store.workflowOf(root);
  if (current !== undefined) return current;
  throw invalid(
    `no workflow was started in ${root}: use tasktrail workflow start, or name a workflow with --workflow`,
  );
}

function loadState(store: CurrentWorkflows, workflowId: string): CurrentWorkflow {
  const state = store.read(workflowId);
  if (state !== undefined) return state;
  throw invalid(
    `there is no state of workflow ${workflowId} here: use tasktrail workflow start --id ${workflowId}`,
  );
}

/** The state of the selected workflow; throws `ERR_INPUT_INVALID` when there is none. */
export function currentWorkflow(flags: WorkflowFlags): CurrentWorkflow {
  const { store } = openSession(flags);
  return loadState(store, selectWorkflow(flags, store));
}

/** Whether recording is switched off; prints the reason. */
export function isOff(config: Config): boolean {
  const off = offReason(config);
  if (off !== undefined) say(off);
  return off !== undefined;
}

/** The git root, else the working directory. */
export function projectRoot(): string {
  const cwd = process.cwd();
  return gitRoot(cwd) ?? cwd;
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
