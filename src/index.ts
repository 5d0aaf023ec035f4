import { installAgentRunner } from './trail/agent-runner.ts';

installAgentRunner();

export type { Config, ConfigOptions } from './config/config.ts';
export type { ErrorCode } from './errors.ts';
export { TasktrailError } from './errors.ts';
export { logRecordProcessor, spanProcessor } from './export/otel-recorder.ts';
export type { AgentOutcome, AgentOutput, RunAgentOptions } from './model/agent-output.ts';
export type { Usage } from './model/documents.ts';
export type { Delivery, DeliveryIdentity, StageFields, WebhookRequest } from './record/delivery.ts';
export { recordDelivery } from './record/delivery.ts';
export { AgentFailedError } from './record/task/agent-failed.ts';
export { recordTask, startTask } from './record/task/attempt.ts';
export type { TaskInput } from './record/task/describe-task.ts';
export type { QueuedTask } from './record/task/queued-task.ts';
export { prepareTask } from './record/task/queued-task.ts';
export type { Task } from './record/task/task.ts';
export { activeTask } from './record/task/task.ts';
export type { ArtifactInput, DecisionInput } from './record/workflow/node.ts';
export { recordWorkflow, startWorkflow } from './record/workflow/orchestration.ts';
export type { Phase, PhaseOptions } from './record/workflow/phase.ts';
export type { RetryOptions } from './record/workflow/retry.ts';
export type { Step, StepOptions } from './record/workflow/step.ts';
export type { Workflow, WorkflowOptions } from './record/workflow/workflow.ts';
export type { ResumeWorkflowOptions } from './trail/resume-workflow.ts';
export { resumeWorkflow } from './trail/resume-workflow.ts';
export type { StartOptions, Trail } from './trail/trail.ts';
export { activeTrail, startTasktrail } from './trail/trail.ts';
