import { expect, onTestFinished, test } from 'vitest';
import type { JsonValue } from '../../src/model/json.ts';
import type { WorkflowFold } from '../../src/project/workflow-fold.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import type { KnownWorkflow } from '../../src/record/workflow/known-workflow.ts';
import { resumeKnownWorkflow, startWorkflow } from '../../src/record/workflow/orchestration.ts';
import type { Phase } from '../../src/record/workflow/phase.ts';
import type { Step } from '../../src/record/workflow/step.ts';
import type { Workflow } from '../../src/record/workflow/workflow.ts';
import { fc } from '../support/fast-check.ts';
import { Ledger } from './ledger.ts';

interface StepPlan {
  /** Number of starts that fail. */
  readonly failures: number;
  readonly failsBy: 'throwing' | 'status';
  readonly tries: number;
  readonly artifacts: number;
  readonly decides: boolean;
  readonly isSkipped: boolean;
}

interface PhasePlan {
  readonly steps: readonly StepPlan[];
  readonly tries: number;
  readonly artifacts: number;
  readonly isSkipped: boolean;
  /** The workflow continues after a failure of this phase. */
  readonly isTolerated: boolean;
}

interface Stop {
  /** Records that are written before the process is killed. */
  readonly writes: number;
  /** Whether the next process gets the stored state. */
  readonly isKnown: boolean;
}

const SEVERAL = fc.integer({ min: 0, max: 2 });
const TRIES = fc.integer({ min: 1, max: 3 });
const STEP: fc.Arbitrary<StepPlan> = fc.record({
  failures: fc.integer({ min: 0, max: 4 }),
  failsBy: fc.constantFrom('throwing' as const, 'status' as const),
  tries: TRIES,
  artifacts: SEVERAL,
  decides: fc.boolean(),
  isSkipped: fc.nat(5).map((number) => number === 0),
});
const PHASE: fc.Arbitrary<PhasePlan> = fc.record({
  steps: fc.array(STEP, { maxLength: 3 }),
  tries: TRIES,
  artifacts: SEVERAL,
  isSkipped: fc.nat(5).map((number) => number === 0),
  isTolerated: fc.boolean(),
});
const PLAN = fc.array(PHASE, { minLength: 1, maxLength: 3 });
const STOPS = fc.array(fc.record({ writes: fc.integer({ min: 0, max: 30 }), isKnown: fc.boolean() }), {
  minLength: 1,
  maxLength: 4,
});

/** Executes the plan, without the nodes that are done. */
async function orchestrate(workflow: Workflow, plan: readonly PhasePlan[]): Promise<void> {
  for (const [number, phase] of plan.entries()) {
    const name = `phase-${number}`;
    if (workflow.isDone(name)) continue;
    if (phase.isSkipped) {
      workflow.skipPhase(name, 'not needed');
      continue;
    }
    const steps = phase.steps.map((_step, at) => `step-${at}`);
    const run = workflow.retryPhase(name, { steps, maxAttempts: phase.tries }, (open) =>
      runPhase(open, phase),
    );
    await (phase.isTolerated ? run.catch(() => undefined) : run);
  }
}

async function runPhase(open: Phase, phase: PhasePlan): Promise<void> {
  for (let at = 0; at < phase.artifacts; at += 1)
    open.artifact({ type: 'report', path: `/${open.name}/${at}` });
  for (const [number, step] of phase.steps.entries()) {
    const name = `step-${number}`;
    if (open.isDone(name)) continue;
    if (step.isSkipped) open.skipStep(name);
    else await open.retryStep(name, { maxAttempts: step.tries }, (running) => work(running, step));
  }
}

function work(running: Step, step: StepPlan): void {
  for (let at = 0; at < step.artifacts; at += 1)
    running.artifact({ type: 'file', path: `/${at}`, metadata: { at } });
  if (step.decides) running.decision({ decision: 'which way', chosen: running.attempt });
  if (running.attempt > step.failures) return;
  if (step.failsBy === 'throwing') throw new RangeError(`attempt ${running.attempt} is broken`);
  running.status('failure');
}

async function complete(workflow: Workflow, plan: readonly PhasePlan[]): Promise<void> {
  // A failed workflow is a valid result.
  await workflow.run(() => orchestrate(workflow, plan)).catch(() => undefined);
}

/** All events except resumptions, without durations. */
function eventsOf(fold: WorkflowFold): string[] {
  return fold.placed
    .filter(({ isKept, fact }) => isKept && fact.event_type !== 'workflow_resumed')
    .map(({ fact, phase, attempt }) =>
      JSON.stringify([fact.event_type, phase, fact.step, attempt, withoutDuration(fact.payload)]),
    )
    .sort();
}

function withoutDuration(payload: JsonValue): JsonValue {
  return JSON.parse(JSON.stringify(payload, (name, value) => (name === 'duration_ms' ? undefined : value)));
}

async function interrupted(
  plan: readonly PhasePlan[],
  stops: readonly Stop[],
  reduce: (known: KnownWorkflow | undefined) => KnownWorkflow | undefined = (known) => known,
): Promise<WorkflowFold & Ending> {
  const ledger = new Ledger();
  let workflow: Workflow | undefined;
  let isKnown = true;
  for (const { writes, ...next } of [...stops, { writes: Number.POSITIVE_INFINITY, isKnown: true }]) {
    // A process that knows that the workflow has ended does nothing.
    if (workflow !== undefined && isKnown && ledger.size > 0 && ledger.fold(workflow.id).isOver) break;
    ledger.startProcess(writes);
    workflow =
      workflow === undefined
        ? startWorkflow('w', { workItemId: '7' })
        : resumeKnownWorkflow(
            workflow.id,
            { name: 'w', workItemId: '7' },
            isKnown ? reduce(ledger.known(workflow.id)) : undefined,
          );
    await complete(workflow, plan);
    isKnown = next.isKnown;
  }
  return Object.assign(ledger.fold(workflow?.id ?? ''), { ledger });
}

interface Ending {
  readonly ledger: Ledger;
}

/** Spans that were sent, or that the store builds from their facts. */
function endedSpans({ spans, facts }: Ledger): Set<string> {
  const announced = new Set(facts.filter(({ span }) => span !== undefined).map(keyOf));
  const derived = facts.filter(({ derive }) => derive !== undefined).map(keyOf);
  return new Set([
    ...spans.map(({ traceId, spanId }) => `${traceId}-${spanId}`),
    ...derived.filter((key) => announced.has(key)),
  ]);
}

function keyOf(fact: { readonly trace_id: string | null; readonly span_id: string | null }): string {
  return `${fact.trace_id}-${fact.span_id}`;
}

test('a run that is killed anywhere and resumed with or without its state has the same events, once each, in one complete trace', async () => {
  onTestFinished(() => setRecorder(undefined));
  let resumptions = 0;
  await fc.assert(
    fc.asyncProperty(PLAN, STOPS, async (plan, stops) => {
      const whole = await interrupted(plan, []);
      const parts = await interrupted(plan, stops);
      resumptions += parts.placed.filter(({ fact }) => fact.event_type === 'workflow_resumed').length;
      expect(eventsOf(parts)).toEqual(eventsOf(whole));
      for (const { state } of [whole, parts]) {
        expect(state.completeness).toMatchObject({ disagrees: false, no_end: false, time_reversed: false });
        expect(state.status).toBe(whole.state.status);
        expect({ ...state.measured, duration_ms: 0 }).toEqual({ ...whole.state.measured, duration_ms: 0 });
      }
      const { ledger, state } = parts;
      const ended = endedSpans(ledger);
      for (const level of state.levels) {
        if (level.started_at === null) continue;
        expect(ended, JSON.stringify(level)).toContain(keyOf(level));
      }
      const known = new Set([...ended, ...ledger.facts.map(keyOf)]);
      for (const { traceId, parentSpanId, name } of ledger.spans) {
        expect(traceId).toBe(state.trace_id);
        if (!name.startsWith('workflow ')) expect(known).toContain(`${traceId}-${parentSpanId}`);
      }
    }),
    { numRuns: 200 },
  );
  expect(resumptions).toBeGreaterThan(100);
}, 120_000);

test('a resume from the state without events records the same starts and ends', async () => {
  onTestFinished(() => setRecorder(undefined));
  const levelsOf = (fold: WorkflowFold): string[] =>
    eventsOf(fold).map((event) => JSON.stringify(JSON.parse(event).slice(0, 4)));
  const withoutEvents = (known: KnownWorkflow | undefined): KnownWorkflow | undefined => {
    const { events: _events, ...state } = known ?? {};
    return known && (state as KnownWorkflow);
  };
  await fc.assert(
    fc.asyncProperty(PLAN, STOPS, async (plan, stops) => {
      // Only the events have the tries of a step per attempt of its phase.
      const rounds = plan.map((phase) => ({ ...phase, tries: 1 }));
      const whole = await interrupted(rounds, []);
      expect(levelsOf(await interrupted(rounds, stops, withoutEvents))).toEqual(levelsOf(whole));
    }),
    { numRuns: 100 },
  );
}, 60_000);
