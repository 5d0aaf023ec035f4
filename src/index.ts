import { installAgentRunner } from './trail/agent-runner.ts';

installAgentRunner();

export type { Config, ConfigOptions } from './config/config.ts';
export type { ErrorCode } from './errors.ts';
export { TasktrailError } from './errors.ts';
export { logRecordProcessor, spanProcessor } from './export/otel-recorder.ts';
export type { AgentOutcome, AgentOutput, RunAgentOptions } from './model/agent.ts';
export type { Usage } from './model/documents.ts';
export type { TaskInput } from './record/attempt.ts';
export { recordTask, startTask } from './record/attempt.ts';
export type { Delivery, DeliveryIdentity, StageFields, WebhookRequest } from './record/delivery.ts';
export { recordDelivery } from './record/delivery.ts';
export type { ArtifactInput, DecisionInput } from './record/level.ts';
export { recordWorkflow, startWorkflow } from './record/orchestration.ts';
export type { Phase, PhaseOptions } from './record/phase.ts';
export type { QueuedTask } from './record/queued-task.ts';
export { prepareTask } from './record/queued-task.ts';
export type { RetryOptions } from './record/retry.ts';
export type { Step, StepOptions } from './record/step.ts';
export type { Task } from './record/task.ts';
export { AgentFailedError, activeTask } from './record/task.ts';
export type { Workflow, WorkflowOptions } from './record/workflow.ts';
export type { ResumeWorkflowOptions } from './trail/resume-workflow.ts';
export { resumeWorkflow } from './trail/resume-workflow.ts';
export type { StartOptions, Trail } from './trail/trail.ts';
export { activeTrail, startTasktrail } from './trail/trail.ts';
