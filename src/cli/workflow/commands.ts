import type { Config } from '../../config/config.ts';
import { pickEnvironment } from '../../config/environment.ts';
import { type ErrorCode, TasktrailError } from '../../errors.ts';
import { checkWorkflowId } from '../../model/ids.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import { derivedSpanId } from '../../model/workflow-span.ts';
import { mintMoment, mintWorkflowId } from '../../record/mint.ts';
import { ownIdentity } from '../../system/process-identity.ts';
import { reportError } from '../exit-code.ts';
import { say } from '../terminal/say.ts';
import { escapeJson } from '../terminal/terminal-text.ts';
import type { CurrentWorkflow } from './current-workflow.ts';
import { deliverSegments } from './deliver.ts';
import { traceOf } from './event.ts';
import type { RunningStep } from './saved-progress.ts';
import {
  changeWorkflow,
  currentWorkflow,
  isOff,
  openSession,
  projectRoot,
  runOf,
  type WorkflowFlags,
} from './session.ts';
import { type CommandEnd, runCommand } from './step-command.ts';

/** State files of this age in milliseconds are removed: no script resumes such a workflow. Its events are kept. */
const KEPT_MS: number = 90 * 24 * 3_600_000;

/** Errors of the calling script. */
const USAGE_ERRORS: ReadonlySet<ErrorCode> = new Set(['ERR_INPUT_INVALID', 'ERR_ID_INVALID']);

export interface StartFlags extends WorkflowFlags {
  readonly name?: string;
  readonly id?: string;
  readonly workItem?: string;
  readonly branch?: string;
  readonly autonomy?: string;
  readonly phases?: string;
  readonly task?: string;
}

/** Starts a workflow, or resumes the workflow with this id, and prints the id. */
export async function startWorkflow(flags: StartFlags): Promise<number> {
  const { config, store } = openSession(flags);
  const workflowId = flags.id === undefined ? mintWorkflowId(flags.workItem) : checkWorkflowId(flags.id);
  const segments: string[] = [];
  if (!isOff(config)) {
    await store.locked(workflowId, () => {
      const known = store.read(workflowId);
      const run = runOf(known ?? newState(config, workflowId, flags), { config, store }, segments);
      if (known === undefined) run.start(contextOf(flags), listOf(flags.phases));
      else run.resume();
      store.setCurrent(projectRoot(), workflowId);
    });
    store.sweep(Date.now() - KEPT_MS);
  }
  process.stdout.write(`${workflowId}\n`);
  return deliverSegments(config, segments);
}

/** Ends the open phase and its steps, and starts a phase. */
export async function beginPhase(
  name: string,
  flags: WorkflowFlags & { readonly steps?: string },
): Promise<number> {
  checkName('phase', name);
  return changeWorkflow(flags, (run) => run.beginPhase(name, listOf(flags.steps) ?? []));
}

/** Starts a step. With a command: runs it, ends the step by its exit code and returns that code. */
export async function beginStep(
  name: string,
  command: readonly string[],
  flags: WorkflowFlags & { readonly skill?: string },
): Promise<number> {
  checkName('step', name);
  const start = { name, skill: flags.skill ?? null };
  if (command.length === 0) {
    return changeWorkflow(flags, (run) => void run.beginStep({ ...start, owner: null }));
  }
  let step: RunningStep | undefined;
  let environment: Record<string, string> = {};
  const exitCode = await attempt(() =>
    changeWorkflow(
      flags,
      (run, config) => {
        step = run.beginStep({ ...start, owner: ownIdentity() });
        environment = stepEnvironment(config, run.state, step);
      },
      { isDetached: true },
    ),
  );
  if (exitCode !== 0) return exitCode;
  const end = await runCommand(command, environment);
  const started = step;
  if (started !== undefined) await attempt(() => endCommand(flags, started, { end, environment }));
  return end.exitCode;
}

/** Ends the innermost open step, else the phase. */
export async function endInnermost(
  flags: WorkflowFlags & { readonly status?: string; readonly error?: string },
): Promise<number> {
  const { status, error } = flags;
  return changeWorkflow(flags, (run) => run.done({ status, error }, ownStep()));
}

/** Records an artifact of the innermost open step. */
export async function addArtifact(
  type: string,
  path: string | undefined,
  flags: WorkflowFlags & { readonly metadata?: string; readonly url?: string },
): Promise<number> {
  const metadata = flags.metadata === undefined ? {} : parseMetadata(flags.metadata);
  const where = { ...(path !== undefined && { path }), ...(flags.url !== undefined && { url: flags.url }) };
  return changeWorkflow(flags, (run) => run.artifact({ type, ...where, metadata }, ownStep()));
}

/** Ends everything that is open, and the workflow. */
export async function completeWorkflow(flags: WorkflowFlags & { readonly status?: string }): Promise<number> {
  return changeWorkflow(flags, (run) => run.complete(flags.status), {
    onEnded: ({ workflow_id, status }) => say(`workflow ${workflow_id} has already ended (${status})`),
  });
}

/** Prints the state of a workflow as JSON. */
export async function printStatus(flags: WorkflowFlags): Promise<number> {
  process.stdout.write(`${escapeJson(JSON.stringify(currentWorkflow(flags), null, 2))}\n`);
  return 0;
}

/**
 * A failure to record must not stop the step's command or change its exit code: errors of the disk and of configuration
 * files are only printed. Usage errors stop it, because the script itself is wrong.
 */
async function attempt(fn: () => Promise<number>): Promise<number> {
  try {
    return await fn();
  } catch (error) {
    if (!(error instanceof TasktrailError) || USAGE_ERRORS.has(error.code)) throw error;
    reportError(error);
    return 0;
  }
}

async function endCommand(
  flags: WorkflowFlags,
  step: RunningStep,
  { end, environment }: { readonly end: CommandEnd; readonly environment: Readonly<Record<string, string>> },
): Promise<number> {
  const { error } = end;
  const outcome = error === undefined ? {} : { status: 'failure', error };
  // The current workflow of the project may be another one by now.
  const own = { ...flags, workflow: environment.TASK_LOGS_WORKFLOW_ID ?? '' };
  const tell = (): void => say(`step ${JSON.stringify(step.name)} had already ended when its command ended`);
  return changeWorkflow(own, (run) => void (run.endOwnStep(step, outcome) || tell()), { onEnded: tell });
}

function newState(config: Config, workflowId: string, flags: StartFlags): CurrentWorkflow {
  const taskId = flags.task ?? (pickEnvironment(['TASK_LOGS_TASK_ID']).TASK_LOGS_TASK_ID || undefined);
  return {
    version: 1,
    workflow_id: workflowId,
    name: flags.name ?? null,
    task_id: taskId ?? null,
    trace_id: traceOf(config, workflowId, taskId).traceId,
    work_item_id: flags.workItem ?? null,
    project: config.project,
    environment: config.environment,
    attempt: 1,
    started_at_ms: mintMoment().timeMs,
    status: 'running',
    phase: null,
    steps: [],
    failed: [],
    starts: [],
    artifacts: [],
    artifact_keys: [],
  };
}

function contextOf({ workItem, branch, autonomy }: StartFlags): JsonObject {
  return { work_item_id: workItem ?? null, branch: branch ?? null, autonomy_level: autonomy ?? null };
}

/** Environment of a step's command: its telemetry and the tasktrail commands in it are recorded in this step. */
function stepEnvironment(config: Config, state: CurrentWorkflow, step: RunningStep): Record<string, string> {
  const phase = state.phase?.name ?? '';
  const identity = { workflowId: state.workflow_id, phase, step: step.name, attempt: step.attempt };
  return {
    TASK_LOGS_DIR: config.logDir,
    TASK_LOGS_WORKFLOW_ID: state.workflow_id,
    TASK_LOGS_PHASE: phase,
    TASK_LOGS_STEP: step.name,
    TRACEPARENT: `00-${state.trace_id}-${derivedSpanId(state.trace_id, identity, sha256)}-01`,
    ...(state.task_id !== null && { TASK_LOGS_TASK_ID: state.task_id }),
  };
}

/** An empty name is usually an unset variable. The check comes before the command ends open nodes. */
function checkName(what: string, name: string): void {
  if (name.trim() === '') throw invalid(`the name of the ${what} is empty`);
}

function ownStep(): string | undefined {
  return pickEnvironment(['TASK_LOGS_STEP']).TASK_LOGS_STEP;
}

function listOf(text: string | undefined): readonly string[] | undefined {
  return text
    ?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function parseMetadata(text: string): JsonObject {
  const metadata = parseObject(text);
  if (metadata !== undefined) return metadata;
  throw invalid('--metadata: must be a JSON object');
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
