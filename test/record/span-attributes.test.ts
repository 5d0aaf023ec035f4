import { SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import type { AgentOutcome, AgentOutput, AgentRecording } from '../../src/model/agent-output.ts';
import { startDelivery } from '../../src/record/delivery.ts';
import { setAgentRunner } from '../../src/record/task/agent-port.ts';
import { recordAttempt, recordTask } from '../../src/record/task/attempt.ts';
import type { Task } from '../../src/record/task/task.ts';
import { recordWorkflow, resumeKnownWorkflow } from '../../src/record/workflow/orchestration.ts';
import { installMemory, type MemoryRecorder } from '../support/memory-recorder.ts';

/** The attributes that `span_metrics` uses as labels. */
const DIMENSIONS = [
  'gen_ai.operation.name',
  'gen_ai.workflow.name',
  'tasktrail.phase.name',
  'tasktrail.step.name',
  'tasktrail.step.status',
  'gen_ai.agent.name',
  'gen_ai.request.model',
  'tasktrail.webhook.provider',
  'tasktrail.task.source',
  'error.type',
  'http.response.status_code',
  'messaging.destination.name',
];

type Labels = Readonly<Record<string, unknown>>;

function labelsOf({ attributes }: ReadableSpan): Labels {
  return Object.fromEntries(
    DIMENSIONS.flatMap((name) => (name in attributes ? [[name, attributes[name]]] : [])),
  );
}

function labels(memory: MemoryRecorder): Readonly<Record<string, Labels>> {
  return Object.fromEntries(memory.spans.map((span) => [span.name, labelsOf(span)]));
}

const FAILED: AgentOutcome = {
  success: false,
  result: null,
  error: 'exited with code 3',
  errorType: 'exit_code',
  exitCode: 3,
  signal: null,
  model: 'opus',
  usage: {},
};

/** An agent that uses two tools, one of which fails, reports its model and ends. */
function installAgent(outcome: AgentOutcome): void {
  const say = (run: AgentRecording, line: number, output: AgentOutput): void =>
    run.output(output, { stream: 'stdout', line, index: 0, timeMs: Date.now() });
  setAgentRunner({
    resume: async () => undefined,
    run: async (_command, _options, run) => {
      run.model('opus');
      for (const [index, toolName] of ['Read', 'Bash'].entries()) {
        const about = { content: '', toolName, toolUseId: `call-${index}` };
        say(run, 2 * index, { type: 'tool_call', ...about });
        say(run, 2 * index + 1, { type: 'tool_result', isError: toolName === 'Bash', ...about });
      }
      run.end(outcome);
      return outcome;
    },
    forget: () => {},
  });
}

async function review(task: Task): Promise<void> {
  await task.workflow('review', { phases: ['plan', 'build'] }, async (workflow) => {
    await workflow.phase('plan', {}, (phase) => phase.step('think', {}, (step) => step.status('warning')));
    await workflow.phase('build', {}, (phase) =>
      phase.step('run-agent', {}, async () => {
        await task.runAgent(['claude'], { name: 'claude' });
      }),
    );
  });
}

test('every span of a task from a webhook has the metric attributes of its kind, and of no other kind', async () => {
  const memory = installMemory();
  installAgent(FAILED);
  const delivery = startDelivery(
    { method: 'POST', url: '/webhooks/github', headers: {} },
    { provider: 'github' },
  );
  const queued = delivery.task({ source: 'webhook', provider: 'github', message: 'm', taskId: 'task-1' });
  const carrier = await queued.enqueue({ queue: 'agent', system: 'in_process' }, async (given) => given);
  delivery.end(202);
  const attempt = {
    taskId: 'task-1',
    message: 'm',
    attempt: 1,
    queue: 'agent',
    system: 'in_process',
    carrier,
  };
  await expect(recordAttempt({ ...attempt, willRetry: () => false }, review)).rejects.toThrow('code 3');

  const name = { 'gen_ai.workflow.name': 'review' };
  const plan = { ...name, 'tasktrail.phase.name': 'plan' };
  const build = { ...name, 'tasktrail.phase.name': 'build' };
  const failed = { 'error.type': 'ERR_AGENT_FAILED' };
  const agent = { 'gen_ai.agent.name': 'claude' };
  expect(labels(memory)).toEqual({
    'POST /webhooks/github': { 'tasktrail.webhook.provider': 'github', 'http.response.status_code': 202 },
    'send agent': { 'messaging.destination.name': 'agent' },
    'process agent': {
      ...agent,
      'gen_ai.request.model': 'opus',
      'tasktrail.webhook.provider': 'github',
      'tasktrail.task.source': 'webhook',
      'messaging.destination.name': 'agent',
      'error.type': 'exit_code',
    },
    'workflow review': { 'gen_ai.operation.name': 'invoke_workflow', ...name, ...failed },
    'phase plan': plan,
    'step think': { ...plan, 'tasktrail.step.name': 'think', 'tasktrail.step.status': 'warning' },
    'phase build': { ...build, ...failed },
    'step run-agent': {
      ...build,
      'tasktrail.step.name': 'run-agent',
      'tasktrail.step.status': 'failure',
      ...failed,
    },
    'invoke_agent claude': {
      'gen_ai.operation.name': 'invoke_agent',
      ...agent,
      'gen_ai.request.model': 'opus',
      'error.type': 'exit_code',
    },
    'execute_tool Read': { 'gen_ai.operation.name': 'execute_tool', ...agent },
    'execute_tool Bash': { 'gen_ai.operation.name': 'execute_tool', ...agent, 'error.type': 'tool_error' },
  });
  const red = memory.spans.filter(({ status }) => status.code === SpanStatusCode.ERROR);
  expect(red.map((span) => span.name).sort()).toEqual(
    memory.spans.flatMap((span) => ('error.type' in span.attributes ? [span.name] : [])).sort(),
  );
});

test('an agent that is known from the plan is set on the attempt', async () => {
  const memory = installMemory();
  const attempt = { taskId: 'task-1', message: 'm', attempt: 2, queue: 'q', system: 's', carrier: {} };
  await recordAttempt({ ...attempt, willRetry: () => false }, (task) =>
    task.metadata({ assigned_agent: 'codex', model: 'gpt' }),
  );
  expect(labelsOf(memory.span('process q'))).toEqual({
    'gen_ai.agent.name': 'codex',
    'gen_ai.request.model': 'gpt',
    'messaging.destination.name': 'q',
  });
});

test('attributes of a queued task are announced with its attempt, so that a lost attempt has them too', async () => {
  const memory = installMemory();
  const carrier = { source: 'api', provider: 'gitlab', assigned_agent: 'claude', model: 'opus' };
  const attempt = { taskId: 'task-1', message: 'm', attempt: 1, queue: 'q', system: 's', carrier };
  await recordAttempt({ ...attempt, willRetry: () => false }, () => undefined);
  const expected = {
    'tasktrail.task.source': 'api',
    'tasktrail.webhook.provider': 'gitlab',
    'gen_ai.agent.name': 'claude',
    'gen_ai.request.model': 'opus',
  };
  expect(memory.facts[0]?.attributes).toMatchObject({ 'tasktrail.span.name': 'process q', ...expected });
  expect(labelsOf(memory.span('process q'))).toMatchObject(expected);
});

test('a task without a queue has the same attributes', async () => {
  const memory = installMemory();
  const { errorType: _, ...ended } = FAILED;
  installAgent({ ...ended, success: true, error: null });
  await recordTask({ source: 'cron', provider: 'nobody', message: 'm', model: 'sonnet' }, (task) =>
    task.runAgent(['/usr/bin/claude']),
  );
  expect(labelsOf(memory.span('process cron'))).toEqual({
    'tasktrail.task.source': 'cron',
    'tasktrail.webhook.provider': 'nobody',
    'gen_ai.agent.name': 'claude',
    // The agent reports its model later.
    'gen_ai.request.model': 'opus',
  });
});

test('a step that fails by its status has the error status, and so have its phase and workflow', async () => {
  const memory = installMemory();
  await recordWorkflow('deploy', {}, (workflow) =>
    workflow.phase('release', {}, (phase) => phase.step('push', {}, (step) => step.status('failure'))),
  );
  const name = { 'gen_ai.workflow.name': 'deploy' };
  expect(labels(memory)).toEqual({
    'workflow deploy': { 'gen_ai.operation.name': 'invoke_workflow', ...name, 'error.type': 'phase_failed' },
    'phase release': { ...name, 'tasktrail.phase.name': 'release', 'error.type': 'step_failed' },
    'step push': {
      ...name,
      'tasktrail.phase.name': 'release',
      'tasktrail.step.name': 'push',
      'tasktrail.step.status': 'failure',
      'error.type': 'step_failed',
    },
  });
});

test('phases and steps of a resumed workflow have the name of the workflow', async () => {
  const memory = installMemory();
  const workflow = resumeKnownWorkflow('workflow-1', { name: 'deploy' }, undefined);
  await workflow.phase('release', {}, (phase) => phase.step('push', {}, () => undefined));
  workflow.end();
  for (const span of ['workflow deploy', 'phase release', 'step push'])
    expect(memory.span(span).attributes['gen_ai.workflow.name']).toBe('deploy');
});
