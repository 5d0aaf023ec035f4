import { join } from 'node:path';
import { DEFAULT_DIALECT } from '../agent/dialects/dialects.ts';
import { hasLivingRun } from '../agent/orphan-runs.ts';
import type { Config } from '../config/config.ts';
import { variablesOf } from '../config/file/agent-variables.ts';
import { addedSpent, type Spent } from '../model/budget.ts';
import { isFinal } from '../model/documents.ts';
import type { JobStore } from '../queue/job-store.ts';
import type { AbortCause, Job, JobRun, Queue } from '../queue/queue.ts';
import { mintWorkflowId } from '../record/mint.ts';
import { activeRecorder } from '../record/recorder.ts';
import { closeTask } from '../record/task/absent-task.ts';
import { recordAttempt } from '../record/task/attempt.ts';
import type { Task } from '../record/task/task.ts';
import type { Workflow } from '../record/workflow/workflow.ts';
import type { Reader } from '../serve/reader.ts';
import { leaseHeld } from '../system/lease-guard.ts';
import { cancelWorkflows, findOpenWorkflows } from '../trail/lost-workflow.ts';
import { resumeWorkflow } from '../trail/resume-workflow.ts';
import { agentFolder } from '../trail/trail.ts';
import type { AgentSpans } from './agent-spans.ts';
import { type Plan, planFor, timeoutMsOf } from './commands.ts';
import { keepTurn, takeTurn } from './job-turn.ts';

/**
 * Milliseconds between SIGTERM and SIGKILL. The shutdown waits four seconds for running tasks, and the end of an agent that
 * ignores SIGTERM must be recorded by then.
 */
const AGENT_GRACE_MS = 2_500;

export interface RunTaskOptions {
  readonly config: Config;
  readonly queue: Queue;
  /** Reads how earlier attempts ended; finds nothing on a machine without the log directory. */
  readonly reader: Reader;
  /** Told when an agent may run. */
  readonly spans?: Pick<AgentSpans, 'agentStarted' | 'agentEnded'>;
  /** Where the job is kept until it ends. */
  readonly jobs?: JobStore | undefined;
}

/** One attempt of a job: the phases of its command's workflow, each step a run of the agent. A failure does not reject. */
export async function runTask(handed: Job, run: JobRun, options: RunTaskOptions): Promise<void> {
  const { config, queue, reader, jobs } = options;
  const turn = { config, jobs };
  await leaseHeld();
  const turned = await takeTurn(handed, turn, run.signal);
  if (turned === 'over') return run.finish?.();
  // The other worker learns of a cancellation too, and records the end.
  if (turned === 'elsewhere' || causeOf(run) === 'closing') return run.postpone?.();
  let job = turned;
  // Its worker was killed after it recorded the end and before it acknowledged the job, or had lost its connection.
  if (job.attempt > 1 && (await hasEnded(job, { config, reader }))) return finish(job, run, options);
  // Attempts that a shutdown ended, and those of an agent that still runs, do not count towards the maximum.
  let stops = await countStops(job, config);
  if (job.attempt - stops > config.attemptsMax) {
    await abandon(job, options);
    return finish(job, run, options);
  }
  // Redis hands out each job once.
  if (jobs !== undefined && queue.system === 'in_process') {
    const attempt = await jobs.claim(job.taskId, job.attempt);
    // Claimed by a process that was stopped or killed before it began: those do not count either.
    stops += attempt - job.attempt;
    job = { ...job, attempt };
  }
  // Before it is recorded: after a kill this attempt is not repeated under its number.
  const workflowId = job.workflowId ?? mintWorkflowId(workItemOf(job));
  if (!(await keepTurn(job, { attempt: job.attempt, stops, workflowId }, turn))) return run.postpone?.();
  await options.spans?.agentStarted();
  let attempt: Task | undefined;
  try {
    await recordAttempt(
      {
        ...job,
        queue: queue.name,
        system: queue.system,
        messageId: job.taskId,
        // A failure of the agent is final; a run that the shutdown interrupts starts again with the service.
        willRetry: () => causeOf(run) === 'closing',
        retryMetadata: { stops: stops + 1 },
        retryGoesOn: true,
      },
      (task) => {
        attempt = task;
        return workThrough(task, job, { config, run, stops, workflowId, spent: job.spent });
      },
    );
    await finish(job, run, options);
  } catch (error) {
    if (causeOf(run) === 'closing') {
      const spent = addedSpent(job.spent, attempt?.lost);
      const next = { attempt: job.attempt + 1, stops: stops + 1, ...(spent !== undefined && { spent }) };
      await jobs?.update(job.taskId, { isStarted: false, worker: null, ...next });
    } else await finish(job, run, options);
    // The failure is recorded in the task's result. A thrown value that is not an Error is a defect: the queue warns.
    if (!(error instanceof Error)) throw error;
  } finally {
    await options.spans?.agentEnded();
  }
}

/** The job is over. Its end is on the disk before the kept job is gone: after a kill in between it is stored first. */
async function finish({ taskId }: Job, run: JobRun, { jobs }: RunTaskOptions): Promise<void> {
  run.finish?.();
  await activeRecorder()?.synced();
  await jobs?.remove(taskId);
}

/** Earlier attempts that do not count: those that a shutdown ended, or all of them when the agent outlived its worker. */
async function countStops(job: Job, config: Config): Promise<number> {
  const stops = job.stops ?? 0;
  const folder = join(agentFolder(config.logDir), job.taskId);
  // EACCES and similar: a run that cannot be inspected cannot be resumed.
  const isAlive = job.attempt > 1 && (await hasLivingRun(folder).catch(() => false));
  return isAlive ? Math.max(stops, job.attempt - 1) : stops;
}

/** Whether an earlier attempt ended, as the trail says. An agent whose outcome nothing has recorded is still followed. */
async function hasEnded(
  { taskId }: Job,
  { config, reader }: Pick<RunTaskOptions, 'config' | 'reader'>,
): Promise<boolean> {
  try {
    const metadata = await reader.readDocument(taskId, 'metadata');
    if (metadata?.opened_by !== undefined || !isFinal(metadata?.status)) return false;
    return (
      metadata?.status === 'cancelled' || !(await hasLivingRun(join(agentFolder(config.logDir), taskId)))
    );
  } catch {
    // The directory cannot be read: run the attempt.
    return false;
  }
}

async function abandon(job: Job, { config, reader }: RunTaskOptions): Promise<void> {
  const { taskId, attempt } = job;
  const reason = `its process ended during each of ${config.attemptsMax} attempts`;
  closeTask({ taskId, attempt }, { status: 'abandoned', error: reason });
  try {
    const metadata = await reader.readDocument(taskId, 'metadata');
    cancelWorkflows(await findOpenWorkflows(metadata, reader), { taskId, attempt, reason });
  } catch {
    // The directory cannot be read: its holder closes the workflows for their silence.
  }
}

function causeOf(run: JobRun): AbortCause | undefined {
  // The queue aborts with an AbortCause (see JobRun).
  return run.signal.aborted ? (run.signal.reason as AbortCause) : undefined;
}

interface Work {
  readonly config: Config;
  readonly run: JobRun;
  readonly stops: number;
  readonly workflowId: string;
  /** By earlier attempts, without what this one continues from. */
  readonly spent: Spent | undefined;
}

async function workThrough(task: Task, job: Job, work: Work): Promise<void> {
  const { config, run, stops, workflowId } = work;
  const plan = planFor(config, job);
  task.metadata({
    assigned_agent: plan.agentName,
    agent_type: plan.agent.type ?? null,
    ...(stops > 0 && { stops }),
  });
  const workItemId = workItemOf(job);
  const phases = plan.phases.map(({ name }) => name);
  const workflow =
    job.workflowId === undefined
      ? task.startWorkflow(plan.workflow, { workflowId, workItemId, phases })
      : await resumeWorkflow(job.workflowId, { name: plan.workflow, workItemId, phases });
  run.keep?.({ workflowId, stops });
  await workflow.run(async () => {
    try {
      for (const place of placesOf(plan)) await runPhase(task, workflow, { ...work, plan, ...place });
    } catch (error) {
      if (causeOf(run) === 'cancelled') workflow.cancel('cancelled');
      throw error;
    }
  });
}

function workItemOf({ taskId, sourceMetadata }: Job): string {
  const { issue_number: issue, issue_key: key } = sourceMetadata;
  const item = issue ?? key;
  return typeof item === 'number' || typeof item === 'string' ? String(item) : taskId;
}

interface PhaseWork extends Work {
  readonly plan: Plan;
  readonly phase: string;
  readonly steps: readonly StepPlace[];
}

interface StepPlace {
  readonly phase: string;
  readonly step: string;
  /** Names the run within its task, the same in every process. */
  readonly key: string;
}

function placesOf(plan: Plan): readonly { phase: string; steps: readonly StepPlace[] }[] {
  return plan.phases.map(({ name, steps }, p) => ({
    phase: name,
    steps: steps.map((step, s) => ({ phase: name, step, key: `${p + 1}.${s + 1}-${name}-${step}` })),
  }));
}

async function runPhase(task: Task, workflow: Workflow, at: PhaseWork): Promise<void> {
  const { phase: name, steps, plan, run } = at;
  const done = new Set<StepPlace>();
  for (const place of steps) {
    // A finished step is skipped only if its agent's output and cost are known: they are part of this attempt's result.
    const isDone = workflow.isDone(name, place.step);
    if (isDone && (await task.resumeAgent(plan.agent.command, agentOptions(plan, place)))?.success)
      done.add(place);
  }
  if (done.size === steps.length && workflow.isDone(name)) return;
  await workflow.phase(name, { steps: steps.map(({ step }) => step) }, async (phase) => {
    for (const place of steps) {
      if (done.has(place)) continue;
      await phase.step(place.step, { skill: plan.agentName }, async () => {
        const options = agentOptions(plan, place);
        const telemetry = plan.agent.telemetry ?? at.config.agentTelemetry;
        await task.runAgent(plan.agent.command, {
          ...options,
          telemetry,
          name: plan.agentName,
          input: task.message,
          timeoutMs: timeoutMsOf(plan.agent),
          graceMs: AGENT_GRACE_MS,
          signal: run.signal,
          ...(plan.budget !== undefined && { budget: plan.budget }),
          ...(at.spent !== undefined && { spent: at.spent }),
          placeholders: { phase: name, step: place.step },
          env: { ...variablesOf(plan.agent.env).values, TASK_LOGS_PHASE: name, TASK_LOGS_STEP: place.step },
          ...(plan.agent.user !== undefined && { user: plan.agent.user }),
          ...(plan.agent.cwd !== undefined && { cwd: plan.agent.cwd }),
          ...(plan.agent.linger_seconds !== undefined && { lingerMs: plan.agent.linger_seconds * 1_000 }),
        });
      });
    }
  });
}

function agentOptions({ agent }: Plan, { key }: StepPlace): { key: string; dialect: string } {
  return { key, dialect: agent.dialect ?? DEFAULT_DIALECT };
}
