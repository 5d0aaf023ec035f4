import { installAgentRunner } from './trail/agent-runner.ts';

installAgentRunner();

export { DIALECT_NAMES } from './agent/dialects.ts';
export type { AgentOutcome, AgentOutput, RunAgentOptions } from './model/agent.ts';
export { AgentFailedError } from './record/task.ts';
