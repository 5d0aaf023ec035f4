import type { AgentOutcome, AgentRecording, RunAgentOptions, RunOrigin } from '../../model/agent-output.ts';
import type { JsonObject } from '../../model/json.ts';

/** What a task was asked, as `01-input.json` has it. */
export interface TaskText {
  readonly message: string;
  readonly source_metadata: JsonObject;
}

/** A run, and the task that it is recorded for. */
export interface TaskRecording extends AgentRecording {
  readonly taskId: string;
  readonly attempt: number;
  readonly input: TaskText;
}

/** What a killed process left of a run: how it ended, when that is known and recorded, else what to go on with. */
export interface ResumedRun {
  readonly outcome?: AgentOutcome | undefined;
  readonly origin?: RunOrigin | undefined;
}

/** Runs agents for tasks; handed in by the package's entries, because starting programs lies above recording. */
export interface AgentRunner {
  /** The same run as an earlier process began it, if that was killed before the task had ended. Never rejects. */
  resume(
    taskId: string,
    command: readonly string[],
    options: RunAgentOptions & { readonly key: string },
  ): Promise<ResumedRun | undefined>;
  run(
    command: readonly string[],
    options: RunAgentOptions & { readonly key: string },
    recording: TaskRecording,
  ): Promise<AgentOutcome>;
  /** The attempt is over: nobody will go on with its runs. */
  forget(taskId: string): void;
}

let runner: AgentRunner | undefined;

export function setAgentRunner(agentRunner: AgentRunner): void {
  runner = agentRunner;
}

export function installedRunner(): AgentRunner | undefined {
  return runner;
}
