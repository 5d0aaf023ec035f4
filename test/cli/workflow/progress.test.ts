import { describe, expect, it, test, vi } from 'vitest';
import type { CurrentWorkflow } from '../../../src/cli/workflow/current-workflow.ts';
import { type Outcome, type RunEvent, WorkflowRun } from '../../../src/cli/workflow/progress.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import { sha256 } from '../../../src/model/sha256.ts';
import { ownIdentity } from '../../../src/system/process-identity.ts';
import { fc } from '../../support/fast-check.ts';
import { reversedKeys } from '../../support/reversed-keys.ts';

const NEW: CurrentWorkflow = {
  version: 1,
  workflow_id: 'w',
  name: null,
  task_id: null,
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  work_item_id: null,
  project: 'shop',
  environment: 'development',
  attempt: 1,
  started_at_ms: 1_000,
  status: 'running',
  phase: null,
  steps: [],
  failed: [],
  starts: [],
  artifacts: [],
  artifact_keys: [],
};

type Command = (run: WorkflowRun) => void;

const phase =
  (name: string): Command =>
  (run) =>
    run.beginPhase(name, []);
const step =
  (name: string): Command =>
  (run) =>
    void run.beginStep({ name, skill: null, owner: null });
/** A step whose command runs: it stays open when the next step starts. */
const running =
  (name: string): Command =>
  (run) =>
    void run.beginStep({ name, skill: 'k', owner: ownIdentity() });
const done =
  (outcome: Outcome = {}, ownStep?: string): Command =>
  (run) =>
    run.done(outcome, ownStep);
const artifact =
  (fields: JsonObject, ownStep?: string): Command =>
  (run) =>
    run.artifact(fields, ownStep);
/** The command of the step that was started first ends. */
const ended =
  (outcome: Outcome): Command =>
  (run) => {
    const [first] = run.state.steps;
    if (first !== undefined) run.endOwnStep(first, outcome);
  };
const complete =
  (status?: string): Command =>
  (run) =>
    run.complete(status);
const resume: Command = (run) => run.resume();

interface Recorded {
  readonly events: RunEvent[];
  state: CurrentWorkflow;
}

/** Runs each command in a run that is restored from the state file of the previous one. */
function inProcesses(commands: readonly Command[], state: CurrentWorkflow = NEW): Recorded {
  const recorded: Recorded = { events: [], state };
  for (const command of commands) attempt(command, runOf(recorded));
  return recorded;
}

/** Runs all commands in one run. */
function inOneProcess(commands: readonly Command[]): Recorded {
  const recorded: Recorded = { events: [], state: NEW };
  const run = runOf(recorded);
  for (const command of commands) attempt(command, run);
  return recorded;
}

function runOf(recorded: Recorded): WorkflowRun {
  return new WorkflowRun(recorded.state, {
    emit: (event) => void recorded.events.push(JSON.parse(JSON.stringify(event))),
    save: (state) => {
      recorded.state = JSON.parse(JSON.stringify(state));
    },
  });
}

/** A rejected command changes nothing. */
function attempt(command: Command, run: WorkflowRun): void {
  try {
    command(run);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
  }
}

function payloadOf(recorded: Recorded, type: string): JsonObject | undefined {
  return recorded.events.findLast((event) => event.type === type)?.payload;
}

describe('an artifact', () => {
  const metadata = { pages: 2, author: { name: 'ann', id: '7' }, 9: 'x', 10: 'y' };

  it('is one when it is given again with its metadata keys in another order', () => {
    const again = reversedKeys(metadata) as JsonObject;
    const recorded = inProcesses([
      phase('a'),
      step('s'),
      artifact({ type: 'spec', path: '/x', metadata }),
      artifact({ type: 'spec', path: '/x', metadata: again }),
      artifact({ path: '/x', type: 'spec', metadata: again }),
      done(),
      complete(),
    ]);
    expect(payloadOf(recorded, 'step_complete')?.artifacts).toEqual([{ type: 'spec', path: '/x' }]);
    expect(payloadOf(recorded, 'workflow_complete')).toMatchObject({ summary: { artifacts_created: 1 } });
  });

  it('is one although a token in its URL changed: both are stored with the token masked', () => {
    const url = (letter: string): string => `https://bot:${letter.repeat(20)}@example.org/pr/1`;
    const recorded = inProcesses([
      phase('a'),
      artifact({ type: 'pr', url: url('a') }),
      artifact({ type: 'pr', url: url('b') }),
      complete(),
    ]);
    expect(payloadOf(recorded, 'workflow_complete')).toMatchObject({ summary: { artifacts_created: 1 } });
  });

  it('is a separate one in another attempt, step or phase, and with other metadata', () => {
    const recorded = inProcesses([
      artifact({ type: 'x' }),
      phase('a'),
      artifact({ type: 'x' }),
      step('s'),
      artifact({ type: 'x' }),
      artifact({ type: 'x', metadata: { a: 1 } }),
      step('s'),
      artifact({ type: 'x' }),
      phase('a'),
      artifact({ type: 'x' }),
      complete(),
    ]);
    expect(payloadOf(recorded, 'workflow_complete')).toMatchObject({ summary: { artifacts_created: 6 } });
    const created = recorded.events.filter(({ type }) => type === 'phase_complete');
    expect(created.map(({ payload }) => payload.artifacts_created)).toEqual([4, 1]);
  });

  it('stays with its step when its phase lists an equal one', () => {
    const recorded = inProcesses([
      phase('a'),
      artifact({ type: 'x' }),
      step('s'),
      artifact({ type: 'y' }),
      artifact({ type: 'x' }),
      done(),
      complete(),
    ]);
    expect(payloadOf(recorded, 'step_complete')?.artifacts).toEqual([{ type: 'y' }, { type: 'x' }]);
  });

  it('names its phase when it belongs to no step, as the API does', () => {
    const recorded = inProcesses([phase('a'), artifact({ type: 'x' })]);
    expect(payloadOf(recorded, 'artifact_create')).toEqual({
      artifact: { type: 'x', metadata: {} },
      step: null,
      phase: 'a',
    });
  });
});

describe('a state file of an earlier version', () => {
  const summary = { type: 'spec', path: '/x' };
  /** The key of the earlier version: a hash of the call in its own order. */
  const keyOf = (...parts: unknown[]): string => sha256(JSON.stringify(parts)).slice(0, 32);
  const STARTED: CurrentWorkflow = {
    ...NEW,
    phase: {
      name: 'a',
      attempt: 1,
      started_at_ms: 2_000,
      steps_completed: 2,
      artifacts_created: 2,
      failed: ['bad'],
    },
    steps: [{ name: 's', skill: 'k', attempt: 2, started_at_ms: 3_000, artifacts: [summary], owner: null }],
    starts: [
      { phase: 'a', step: null, count: 1 },
      { phase: 'a', step: 'bad', count: 1 },
      { phase: 'a', step: 's', count: 2 },
    ],
    artifacts: [{ type: 'log' }, summary, summary],
    artifact_keys: [
      keyOf(null, 1, { artifact: { type: 'log', metadata: {} }, step: null }),
      keyOf('a', 1, { artifact: { ...summary, metadata: { b: 1, a: 2 } }, step: 'bad' }),
      keyOf('a', 2, { artifact: { ...summary, metadata: { b: 1, a: 2 } }, step: 's' }),
    ],
  };

  it('continues with its attempts, failures and artifacts', () => {
    const recorded = inProcesses([done(), complete()], STARTED);
    const [stepEnd, phaseEnd, end] = recorded.events;
    expect(stepEnd).toMatchObject({
      type: 'step_complete',
      attempt: 2,
      payload: { step: { name: 's', skill: 'k', status: 'success' }, artifacts: [summary] },
    });
    expect(phaseEnd?.payload).toMatchObject({ status: 'failure', steps_completed: 2, artifacts_created: 2 });
    expect(end?.payload).toMatchObject({
      status: 'failure',
      summary: { phases_executed: 1, steps_executed: 2, artifacts_created: 3, retries_used: 1 },
      artifacts: [{ type: 'log' }, summary, summary],
    });
  });

  it('knows an artifact that is given again after the upgrade', () => {
    const again = artifact({ ...summary, metadata: { b: 1, a: 2 } });
    const recorded = inProcesses([again, again, complete()], STARTED);
    expect(payloadOf(recorded, 'workflow_complete')).toMatchObject({ summary: { artifacts_created: 3 } });
  });
});

test('a step with several attempts counts once in its phase', () => {
  const recorded = inProcesses([
    phase('a'),
    step('s'),
    done({ status: 'failure' }),
    step('s'),
    step('t'),
    complete(),
  ]);
  expect(payloadOf(recorded, 'phase_complete')).toMatchObject({ status: 'success', steps_completed: 2 });
  expect(payloadOf(recorded, 'workflow_complete')).toMatchObject({ summary: { retries_used: 1 } });
});

test('a phase that failed fails the workflow also after a resume, until it is started again', () => {
  const failed = inProcesses([
    phase('a'),
    step('s'),
    done({ error: 'no' }),
    complete(),
    resume,
    phase('b'),
    complete(),
  ]);
  expect(failed.events.at(-1)).toMatchObject({ attempt: 2, payload: { status: 'failure' } });
  const mended = inProcesses([phase('b'), resume, phase('a'), step('s'), complete()], failed.state);
  expect(payloadOf(mended, 'workflow_complete')).toMatchObject({ status: 'success' });
});

const NAME = fc.constantFrom('a', 'b');
const COMMAND: fc.Arbitrary<Command> = fc.oneof(
  NAME.map(phase),
  NAME.map(step),
  NAME.map(running),
  fc
    .tuple(
      fc.constantFrom<Outcome>({}, { status: 'failure' }, { error: 'no' }),
      fc.option(NAME, { nil: undefined }),
    )
    .map(([outcome, own]) => done(outcome, own)),
  fc
    .tuple(fc.constantFrom('x', 'y'), fc.constantFrom({}, { n: 1 }), fc.option(NAME, { nil: undefined }))
    .map(([type, metadata, own]) => artifact({ type, metadata }, own)),
  fc.constantFrom<Outcome>({}, { status: 'failure', error: 'exit code 1' }).map(ended),
  fc.constant(resume),
  fc.constantFrom(undefined, 'success', 'cancelled').map(complete),
);

test('commands in separate processes record the same as in one process', () => {
  vi.useFakeTimers({ now: 10_000_000_000_000, toFake: ['Date', 'performance'] });
  try {
    fc.assert(
      fc.property(fc.array(COMMAND, { maxLength: 25 }), (commands) => {
        const [apart, together] = [inProcesses(commands), inOneProcess(commands)];
        expect(apart.events).toEqual(together.events);
        expect(apart.state).toEqual(together.state);
      }),
      { numRuns: 300 },
    );
  } finally {
    vi.useRealTimers();
  }
});
