import { type Config, loadConfig, pickEnvironment } from '../../config/config.ts';
import { gitRoot } from '../../config/git.ts';
import { TasktrailError } from '../../errors.ts';
import { checkWorkflowId } from '../../model/ids.ts';
import { type CurrentWorkflow, CurrentWorkflows } from './current-workflow.ts';
import { deliverJournal } from './deliver.ts';
import { offReason, recordEvent, traceOf } from './event.ts';
import { type RunEvent, type RunLog, WorkflowRun } from './progress.ts';

export interface WorkflowFlags {
  readonly dir?: string;
  /** Instead of `TASK_LOGS_WORKFLOW_ID`, and of the one that the project is at. */
  readonly workflow?: string;
}

export interface Session {
  readonly config: Config;
  readonly store: CurrentWorkflows;
}

interface ChangeOptions {
  /** Instead of an error about a workflow that is over. */
  readonly whenOver?: (state: CurrentWorkflow) => void;
  /** Nobody waits until the records are sent on: what comes next may begin. */
  readonly isDetached?: boolean;
}

/** Throws `ERR_CONFIG_INVALID` as the start would. */
export function openSession(flags: WorkflowFlags): Session {
  const config = loadConfig({ flags: { TASK_LOGS_DIR: flags.dir }, recordsOnly: true });
  return { config, store: new CurrentWorkflows(config.logDir) };
}

/** Does something to the workflow that is picked, while no other command does. Gives the exit code. */
export async function changeWorkflow(
  flags: WorkflowFlags,
  fn: (run: WorkflowRun, config: Config) => void,
  options: ChangeOptions = {},
): Promise<number> {
  const { config, store } = openSession(flags);
  if (isOff(config)) return 0;
  const workflowId = pick(flags, store);
  await store.locked(workflowId, () => {
    const state = known(store, workflowId);
    if (state.status === 'running') fn(runOf(state, { config, store }), config);
    else if (options.whenOver !== undefined) options.whenOver(state);
    else {
      throw invalid(
        `workflow ${workflowId} is over (${state.status}); to go on with it: tasktrail workflow start --id ${workflowId}`,
      );
    }
  });
  const delivered = deliverJournal(config);
  if (options.isDetached !== true) await delivered;
  return 0;
}

/** Goes on with a workflow in this state: what it tells goes into the journal, what it knows is kept. */
export function runOf(state: CurrentWorkflow, { config, store }: Session): WorkflowRun {
  const own = { ...config, project: state.project, environment: state.environment };
  const given = traceOf(config, state.workflow_id, state.task_id ?? undefined);
  const log: RunLog = {
    emit: (event: RunEvent) => {
      const isBegin = event.type === 'workflow_start' || event.type === 'workflow_resumed';
      recordEvent(own, {
        ...event,
        workflowId: state.workflow_id,
        taskId: state.task_id ?? undefined,
        name: isBegin ? (state.name ?? undefined) : undefined,
        // The trace is that of the start; whoever goes on in another one is no parent in it.
        trace: given.traceId === state.trace_id ? given : { traceId: state.trace_id },
      });
    },
    save: (next) => store.write(next),
  };
  return new WorkflowRun(state, log);
}

/** The workflow that is named, else the one that the project is at; throws `ERR_INPUT_INVALID` when it is at none. */
function pick(flags: WorkflowFlags, store: CurrentWorkflows): string {
  const given =
    flags.workflow ?? (pickEnvironment(['TASK_LOGS_WORKFLOW_ID']).TASK_LOGS_WORKFLOW_ID || undefined);
  if (given !== undefined) return checkWorkflowId(given);
  const root = projectRoot();
  const current = store.workflowOf(root);
  if (current !== undefined) return current;
  throw invalid(`no workflow was started in ${root}: tasktrail workflow start, or name one with --workflow`);
}

function known(store: CurrentWorkflows, workflowId: string): CurrentWorkflow {
  const state = store.read(workflowId);
  if (state !== undefined) return state;
  throw invalid(
    `nothing is kept of workflow ${workflowId} here: tasktrail workflow start --id ${workflowId}`,
  );
}

/** What is kept of the workflow that is picked; throws `ERR_INPUT_INVALID` when nothing is. */
export function currentWorkflow(flags: WorkflowFlags): CurrentWorkflow {
  const { store } = openSession(flags);
  return known(store, pick(flags, store));
}

/** Says so when nothing is recorded. */
export function isOff(config: Config): boolean {
  const off = offReason(config);
  if (off !== undefined) process.stderr.write(`tasktrail: ${off}\n`);
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
