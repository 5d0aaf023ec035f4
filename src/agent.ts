import { installAgentRunner } from './trail/agent-runner.ts';

installAgentRunner();

export { DIALECT_NAMES } from './agent/dialects/dialects.ts';
export type { AgentOutcome, AgentOutput, RunAgentOptions } from './model/agent-output.ts';
export { AgentFailedError } from './record/task/agent-failed.ts';
