import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasLivingRun, isFollowedElsewhere } from '../agent/orphan-runs.ts';
import type { Config } from '../config/config.ts';
import type { AbortCause, Job, JobRun, Queue } from '../queue/queue.ts';
import { closeTask } from '../record/task/absent-task.ts';
import { recordAttempt } from '../record/task/attempt.ts';
import type { Task } from '../record/task/task.ts';
import type { Workflow } from '../record/workflow/workflow.ts';
import type { Reader } from '../serve/reader.ts';
import { cancelWorkflows, findOpenWorkflows } from '../trail/lost-workflow.ts';
import { resumeWorkflow } from '../trail/resume-workflow.ts';
import { agentFolder } from '../trail/trail.ts';
import { type Plan, planFor, timeoutMsOf } from './commands.ts';

/** A stop waits four seconds for running tasks: an agent that ignores SIGTERM must be gone, and its end recorded, by then. */
const AGENT_GRACE_MS = 2_500;

const FOLLOWED_POLL_MS = 500;

/** Somewhat longer than the silence after which the holder gives a task up. */
const FOLLOWED_MS = 60_000;
const ARRIVAL_MS = 1_000;

export interface RunTaskOptions {
  readonly config: Config;
  readonly queue: Queue;
  /** Knows how earlier attempts ended, where this process can see it. */
  readonly reader: Reader;
}

/** One attempt at a job: the command's workflow, phase by phase, each step a run of the agent. Never rejects. */
export async function runTask(job: Job, run: JobRun, options: RunTaskOptions): Promise<void> {
  const { config, queue, reader } = options;
  if (job.attempt > 1) {
    // The slot is not lost to a frozen worker: its task is abandoned by now, and completed should it ever wake up.
    if (!(await untilLeft(job, config, run.signal))) return run.finish?.();
    // Its worker was killed between recording the end and telling the queue, or was cut off from the queue for a while.
    if (await hasEnded(job, reader)) return run.finish?.();
  }
  const gone = await goneOnWith(job, config);
  // Whoever stops the service, however often, has not tried the task in vain, nor has one whose agent goes on.
  if (gone.attempt - gone.stops > config.attemptsMax) return abandon(job, options);
  try {
    await recordAttempt(
      {
        ...job,
        queue: queue.name,
        system: queue.system,
        messageId: job.taskId,
        // An agent that failed has had its say; a run that we cut short at shutdown begins again with the next start.
        willRetry: () => causeOf(run) === 'closing',
        retryMetadata: { stops: gone.stops + 1 },
      },
      (task) => workThrough(task, job, { config, run, stops: gone.stops }),
    );
    run.finish?.();
  } catch (error) {
    if (causeOf(run) !== 'closing') run.finish?.();
    // Recorded: the task's own result says it. What is no error of anything that runs here is a defect: the queue warns.
    if (!(error instanceof Error)) throw error;
  }
}

/** An attempt whose agent outlived its worker is the same one for whoever counts attempts. */
async function goneOnWith(job: Job, config: Config): Promise<{ attempt: number; stops: number }> {
  const stops = job.stops ?? 0;
  const folder = join(agentFolder(config.logDir), job.taskId);
  // EACCES and its like: what cannot be looked at cannot be gone on with either.
  const isAlive = job.attempt > 1 && (await hasLivingRun(folder).catch(() => false));
  return { attempt: job.attempt, stops: isAlive ? Math.max(stops, job.attempt - 1) : stops };
}

/** A worker that hung when its job was given away may still live: two must not work on one task. False: it has it yet. */
async function untilLeft({ taskId }: Job, config: Config, signal: AbortSignal): Promise<boolean> {
  const folder = join(agentFolder(config.logDir), taskId);
  const until = Date.now() + FOLLOWED_MS;
  let wasFollowed = false;
  // EACCES and its like: what cannot be looked at cannot be waited for either.
  while (!signal.aborted && (await isFollowedElsewhere(folder).catch(() => false))) {
    if (Date.now() > until) return false;
    wasFollowed = true;
    await delay(FOLLOWED_POLL_MS);
  }
  // What it recorded last is on its way.
  if (wasFollowed) await delay(ARRIVAL_MS);
  return true;
}

/** Whether an earlier attempt came to an end of its own; one that was given up as silent did not. */
async function hasEnded({ taskId }: Job, reader: Reader): Promise<boolean> {
  try {
    const metadata = await reader.readDocument(taskId, 'metadata');
    return ['completed', 'failed', 'cancelled'].includes(String(metadata?.status));
  } catch {
    // A directory that cannot be read says nothing of it.
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
    // A directory that cannot be read: whoever holds it finds them silent.
  }
}

function causeOf(run: JobRun): AbortCause | undefined {
  // The queue's own word: its interface says which.
  return run.signal.aborted ? (run.signal.reason as AbortCause) : undefined;
}

interface Work {
  readonly config: Config;
  readonly run: JobRun;
  readonly stops: number;
}

async function workThrough(task: Task, job: Job, work: Work): Promise<void> {
  const { config, run, stops } = work;
  const plan = planFor(config, job);
  task.metadata({
    assigned_agent: plan.agentName,
    agent_type: plan.agent.type ?? null,
    ...(stops > 0 && { stops }),
  });
  const { issue_number: issue, issue_key: key } = job.sourceMetadata;
  const item = issue ?? key;
  const workItemId = typeof item === 'number' || typeof item === 'string' ? String(item) : job.taskId;
  const phases = plan.phases.map(({ name }) => name);
  const workflow =
    job.workflowId === undefined
      ? task.startWorkflow(plan.workflow, { workItemId, phases })
      : await resumeWorkflow(job.workflowId, { name: plan.workflow, workItemId, phases });
  run.keep?.({ workflowId: workflow.id, stops });
  await workflow.run(async () => {
    try {
      for (const place of placesOf(plan)) await runPhase(task, workflow, { ...work, plan, ...place });
    } catch (error) {
      if (causeOf(run) === 'cancelled') workflow.cancel('cancelled');
      throw error;
    }
  });
}

interface PhaseWork extends Work {
  readonly plan: Plan;
  readonly phase: string;
  readonly steps: readonly StepPlace[];
}

interface StepPlace {
  readonly phase: string;
  readonly step: string;
  /** Which run of the task it is, in whichever process. */
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
    // Left out only when it is known what its agent said and cost: that belongs to this attempt's result.
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
          placeholders: { phase: name, step: place.step },
          env: { TASK_LOGS_PHASE: name, TASK_LOGS_STEP: place.step },
          ...(plan.agent.cwd !== undefined && { cwd: plan.agent.cwd }),
        });
      });
    }
  });
}

function agentOptions({ agent }: Plan, { key }: StepPlace): { key: string; dialect: string } {
  return { key, dialect: agent.dialect ?? 'text' };
}
