import type { Config } from '../config.ts';
import type { Job, JobRun, Queue } from '../queue/queue.ts';
import { recordAttempt } from '../record/attempt.ts';
import type { Task } from '../record/task.ts';
import { type Plan, planFor, timeoutMsOf } from './commands.ts';
import { resumeWorkflow } from './resume-workflow.ts';

/** A stop waits four seconds for running tasks: an agent that ignores SIGTERM must be gone, and its end recorded, by then. */
const AGENT_GRACE_MS = 2_500;

export interface RunTaskOptions {
  readonly config: Config;
  readonly queue: Queue;
}

/** One attempt at a job: the command's workflow, phase by phase, each step a run of the agent. Never rejects. */
export async function runTask(job: Job, run: JobRun, { config, queue }: RunTaskOptions): Promise<void> {
  try {
    await recordAttempt(
      {
        ...job,
        queue: queue.name,
        system: queue.system,
        messageId: job.taskId,
        // An agent that failed has had its say; a run that we cut short at shutdown begins again with the next start.
        willRetry: () => run.signal.aborted,
        retryMetadata: { stops: (job.stops ?? 0) + 1 },
      },
      (task) => workThrough(task, job, { config, run }),
    );
  } catch (error) {
    // Recorded: the task's own result says it. What is no error of anything that runs here is a defect: the queue warns.
    if (!(error instanceof Error)) throw error;
  }
}

async function workThrough(task: Task, job: Job, at: { config: Config; run: JobRun }): Promise<void> {
  const plan = planFor(at.config, job);
  task.metadata({ assigned_agent: plan.agentName, agent_type: plan.agent.type ?? null });
  const issue = job.sourceMetadata.issue_number;
  const workItemId = typeof issue === 'number' || typeof issue === 'string' ? String(issue) : job.taskId;
  const phases = plan.phases.map(({ name }) => name);
  const workflow =
    job.workflowId === undefined
      ? task.startWorkflow(plan.workflow, { workItemId, phases })
      : await resumeWorkflow(job.workflowId, { name: plan.workflow, workItemId, phases });
  // Nothing is left out of an attempt that runs again: what a step's agent said and cost belongs to this one's result.
  await workflow.run(async () => {
    for (const { name, steps } of plan.phases) {
      await workflow.phase(name, { steps }, async (phase) => {
        for (const step of steps) {
          await phase.step(step, { skill: plan.agentName }, () =>
            runStep(task, plan, { phase: name, step, run: at.run }),
          );
        }
      });
    }
  });
}

async function runStep(
  task: Task,
  plan: Plan,
  at: { readonly phase: string; readonly step: string; readonly run: JobRun },
): Promise<void> {
  const { agent, agentName } = plan;
  // A step that begins after the shutdown did would only be killed.
  at.run.signal.throwIfAborted();
  await task.runAgent(agent.command, {
    name: agentName,
    input: task.message,
    dialect: agent.dialect ?? 'text',
    timeoutMs: timeoutMsOf(agent),
    graceMs: AGENT_GRACE_MS,
    signal: at.run.signal,
    placeholders: { phase: at.phase, step: at.step },
    env: { TASK_LOGS_PHASE: at.phase, TASK_LOGS_STEP: at.step },
    ...(agent.cwd !== undefined && { cwd: agent.cwd }),
  });
}
