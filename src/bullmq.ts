import { installAgentRunner } from './trail/agent-runner.ts';

installAgentRunner();

export {
  type BullJob,
  type BullQueue,
  type EnqueueOptions,
  enqueueTask,
  processTask,
} from './queue/bullmq-task.ts';
