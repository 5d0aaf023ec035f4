import type { AgentOutcome, AgentRecording, RunAgentOptions, RunOrigin } from '../../model/agent-output.ts';
import type { JsonObject } from '../../model/json.ts';

/** The content of `01-input.json`. */
export interface TaskText {
  readonly message: string;
  readonly source_metadata: JsonObject;
}

/** The recording of a run, with its task. */
export interface TaskRecording extends AgentRecording {
  readonly taskId: string;
  readonly attempt: number;
  readonly input: TaskText;
}

/** A run of a killed process: its outcome if it has ended and is recorded, else its span to continue. */
export interface ResumedRun {
  readonly outcome?: AgentOutcome | undefined;
  readonly origin?: RunOrigin | undefined;
}

/** Runs agents for tasks. The package entries install it, because recording must not import the code that starts programs. */
export interface AgentRunner {
  /** Finds the run with this key of an earlier process that was killed. Never rejects. */
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
  /** Removes the files of the task's runs after the end of the attempt. `failed`: the next attempt goes on with the others. */
  forget(taskId: string, which: 'all' | 'failed'): void;
}

let runner: AgentRunner | undefined;

export function setAgentRunner(agentRunner: AgentRunner): void {
  runner = agentRunner;
}

export function installedRunner(): AgentRunner | undefined {
  return runner;
}
