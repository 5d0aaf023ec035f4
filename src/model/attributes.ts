/**
 * Attribute names of records and spans. Standard names come from the OpenTelemetry semantic conventions (general,
 * messaging, GenAI); all others are in the namespace `tasktrail.`.
 */
export const ATTR = {
  eventId: 'tasktrail.event.id',
  taskId: 'tasktrail.task.id',
  taskIds: 'tasktrail.task.ids',
  attempt: 'tasktrail.task.attempt',
  taskSource: 'tasktrail.task.source',
  /**
   * `agent` or `anonymous`. On a stored span: such a sender has sent it. On a record of the trail: the holder has completed what
   * such a sender began, and it keeps that sender's mark.
   */
  sender: 'tasktrail.sender',

  webhookPrefix: 'tasktrail.webhook.',
  webhookProvider: 'tasktrail.webhook.provider',
  webhookDeliveryId: 'tasktrail.webhook.delivery_id',
  webhookStage: 'tasktrail.webhook.stage',

  workflowId: 'tasktrail.workflow.id',
  /** Names of the planned phases, on the start of a workflow. */
  workflowPhases: 'tasktrail.workflow.phases',
  workItemId: 'tasktrail.work_item.id',
  project: 'tasktrail.project',
  phaseName: 'tasktrail.phase.name',
  stepName: 'tasktrail.step.name',
  stepSkill: 'tasktrail.step.skill',
  stepStatus: 'tasktrail.step.status',
  artifactType: 'tasktrail.artifact.type',
  artifactPath: 'tasktrail.artifact.path',
  /** Number of the start of the workflow, phase or step, from 1. Without it the fold counts. */
  eventAttempt: 'tasktrail.event.attempt',
  /** Identifies an event instead of its payload; set by the caller. */
  eventKey: 'tasktrail.event.key',

  outputPrefix: 'tasktrail.agent.output.',
  outputType: 'tasktrail.agent.output.type',
  outputTruncated: 'tasktrail.agent.output.truncated',
  outputOriginalBytes: 'tasktrail.agent.output.original_bytes',
  toolIsError: 'tasktrail.tool.is_error',
  costUsd: 'tasktrail.cost.usd',

  /** Name of the span that a start fact announces. */
  spanName: 'tasktrail.span.name',
  spanParentId: 'tasktrail.span.parent_id',
  spanKind: 'tasktrail.span.kind',
  /** On an end fact: the span is built from its start and end facts, because no process can send it. */
  spanDerive: 'tasktrail.span.derive',

  errorType: 'error.type',
  eventName: 'event.name',
  serviceName: 'service.name',
  environment: 'deployment.environment.name',

  messagingSystem: 'messaging.system',
  messagingDestination: 'messaging.destination.name',
  messagingMessageId: 'messaging.message.id',

  genAiOperation: 'gen_ai.operation.name',
  genAiAgentName: 'gen_ai.agent.name',
  genAiWorkflowName: 'gen_ai.workflow.name',
  genAiRequestModel: 'gen_ai.request.model',
  genAiToolName: 'gen_ai.tool.name',
  genAiToolCallId: 'gen_ai.tool.call.id',
  genAiToolCallArguments: 'gen_ai.tool.call.arguments',
  genAiInputTokens: 'gen_ai.usage.input_tokens',
  genAiOutputTokens: 'gen_ai.usage.output_tokens',
  genAiCacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  genAiCacheCreationTokens: 'gen_ai.usage.cache_creation.input_tokens',

  pipelineName: 'cicd.pipeline.name',
  pipelineRunId: 'cicd.pipeline.run.id',
  pipelineResult: 'cicd.pipeline.result',

  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  urlPath: 'url.path',
} as const;

/** The `error.type` of an announced span that its process never sent. */
export const PROCESS_LOST = 'process_lost';
