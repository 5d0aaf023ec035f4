import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/model/json.ts';
import { sha256 } from '../../src/model/sha256.ts';
import type { CompletenessFlag } from '../../src/model/workflow.ts';
import type { WorkflowFact } from '../../src/project/change.ts';
import { documentOf } from '../../src/project/workflow-document.ts';
import { WorkflowFold } from '../../src/project/workflow-fold.ts';
import { fc } from '../support/fast-check.ts';
import { reversedKeys } from '../support/reversed-keys.ts';
import {
  phaseEnd,
  phaseStart,
  stepEnd,
  stepStart,
  WORKFLOW_ID,
  workflowEnd,
  workflowFact,
} from './workflow-facts.ts';

function fold(...facts: readonly WorkflowFact[]): WorkflowFold {
  const made = new WorkflowFold(WORKFLOW_ID, sha256);
  made.add(facts);
  return made;
}

/** `step_start build/test 2`, in order. */
function outline(...facts: readonly WorkflowFact[]): string[] {
  return fold(...facts)
    .placed.filter(({ isKept }) => isKept)
    .map(({ fact, phase, attempt }) => {
      const place = [phase, fact.step].filter((name) => name !== null).join('/');
      return [fact.event_type, place, attempt].filter((part) => part !== '').join(' ');
    });
}

const RUN: readonly WorkflowFact[] = [
  workflowFact(0, 'workflow_start', { context: { work_item_id: '199' } }),
  phaseStart(1, 'build', ['test']),
  stepStart(2, 'build', 'test'),
  stepEnd(3, 'build', 'test', 'failure'),
  stepStart(4, 'build', 'test'),
  workflowFact(5, 'artifact_create', { artifact: { type: 'pr', path: '/1' }, step: 'test' }),
  stepEnd(6, 'build', 'test'),
  phaseEnd(7, 'build'),
  workflowEnd(8, 'success', {
    phases_executed: 1,
    steps_executed: 1,
    artifacts_created: 1,
    retries_used: 1,
  }),
];

test('a start after the end of its node opens the next attempt', () => {
  expect(outline(...RUN)).toEqual([
    'workflow_start 1',
    'phase_start build 1',
    'step_start build/test 1',
    'step_complete build/test 1',
    'step_start build/test 2',
    'artifact_create build/test 2',
    'step_complete build/test 2',
    'phase_complete build 1',
    'workflow_complete 1',
  ]);
});

test('an event that is recorded again before the end is a repeat', () => {
  const facts = [
    stepStart(0, 'build', 'test'),
    stepStart(1, 'build', 'test'),
    stepEnd(2, 'build', 'test'),
    stepEnd(3, 'build', 'test'),
  ];
  expect(outline(...facts)).toEqual(['step_start build/test 1', 'step_complete build/test 1']);
});

test('the earliest event of a key is kept', () => {
  const [kept] = fold(stepEnd(5, 'a', 'b', 'failure'), stepEnd(2, 'a', 'b')).envelopes;
  expect(kept).toMatchObject({ event_id: stepEnd(2, 'a', 'b').event_id, attempt: 1 });
});

test('an end with a time before the first start belongs to that start', () => {
  expect(outline(stepEnd(0, 'a', 'b'), stepStart(1, 'a', 'b'))).toEqual([
    'step_complete a/b 1',
    'step_start a/b 1',
  ]);
});

test('an attempt number of the caller is used as it is', () => {
  const facts = [
    workflowFact(0, 'step_start', { phase: 'a', step: { name: 'b' } }, { attempt: 1 }),
    workflowFact(1, 'step_start', { phase: 'a', step: { name: 'b' } }, { attempt: 2 }),
    workflowFact(2, 'step_start', { phase: 'a', step: { name: 'b' } }, { attempt: 1 }),
    workflowFact(3, 'step_complete', { phase: 'a', step: { name: 'b', status: 'success' } }, { attempt: 1 }),
  ];
  expect(outline(...facts)).toEqual(['step_start a/b 1', 'step_start a/b 2', 'step_complete a/b 1']);
});

test('a resumption after an end opens the next attempt of the workflow, one before it does not', () => {
  const facts = [
    workflowFact(0, 'workflow_start'),
    workflowFact(1, 'workflow_resumed'),
    workflowEnd(2, 'failure'),
    workflowFact(3, 'workflow_resumed'),
    workflowEnd(4),
  ];
  expect(outline(...facts)).toEqual([
    'workflow_start 1',
    'workflow_resumed 1',
    'workflow_complete 1',
    'workflow_resumed 2',
    'workflow_complete 2',
  ]);
  expect(fold(...facts).document(3)).toMatchObject({
    attempt: 2,
    payload: { status: 'success' },
    revision: 3,
  });
});

test('different artifacts of one step are separate events, the same artifact twice is one', () => {
  const artifact = (number: number, path: string, key: string | null = null): WorkflowFact =>
    workflowFact(number, 'artifact_create', { artifact: { path, type: 'x' }, step: 's' }, { key });
  expect(outline(artifact(0, '/1'), artifact(1, '/2'), artifact(2, '/1'))).toHaveLength(2);
  expect(outline(artifact(0, '/1', 'k'), artifact(1, '/2', 'k'), artifact(2, '/1'))).toHaveLength(2);
  const reordered = { step: 's', artifact: { type: 'x', path: '/1' } };
  expect(outline(artifact(0, '/1'), workflowFact(1, 'artifact_create', reordered))).toHaveLength(1);
});

const AT_STEP = { phase: 'p', step: 's', attempt: 1 };
const AT_PHASE = { phase: 'p', step: null, attempt: 1 };

/** An artifact of a step and an artifact of a phase, in the form of each producer. */
const ARTIFACT_FORMS: readonly [string, readonly WorkflowFact[]][] = [
  [
    'the API and the workflow command',
    [
      workflowFact(
        2,
        'artifact_create',
        { artifact: { type: 'x', path: '/1', metadata: {} }, step: 's' },
        AT_STEP,
      ),
      workflowFact(
        3,
        'artifact_create',
        { artifact: { type: 'report', metadata: { a: 1, b: { c: 2, d: 3 } } }, step: null, phase: 'p' },
        AT_PHASE,
      ),
    ],
  ],
  [
    'the workflow command of an earlier version',
    [
      workflowFact(
        4,
        'artifact_create',
        { artifact: { type: 'x', path: '/1', metadata: {} }, step: 's' },
        AT_STEP,
      ),
      workflowFact(
        5,
        'artifact_create',
        { artifact: { type: 'report', metadata: { b: { d: 3, c: 2 }, a: 1 } }, step: null },
        AT_PHASE,
      ),
    ],
  ],
  [
    'emit',
    [
      workflowFact(6, 'artifact_create', { step: 's', artifact: { path: '/1', type: 'x' }, phase: 'p' }),
      workflowFact(7, 'artifact_create', {
        artifact: { metadata: { b: { d: 3, c: 2 }, a: 1 }, type: 'report' },
        phase: 'p',
      }),
    ],
  ],
  [
    'emit with as little and as much as its schema allows',
    [
      workflowFact(8, 'artifact_create', { artifact: { type: 'x', path: '/1' }, step: 's' }),
      workflowFact(9, 'artifact_create', {
        artifact: { type: 'report', path: null, url: null, metadata: { a: 1, b: { c: 2, d: 3 } } },
        phase: 'p',
        step: null,
      }),
    ],
  ],
];

test.each(ARTIFACT_FORMS)('an artifact reported by %s and by any other producer is one', (_who, facts) => {
  for (const [, others] of ARTIFACT_FORMS) {
    const { state } = fold(phaseStart(0, 'p', ['s']), stepStart(1, 'p', 's'), ...facts, ...others);
    expect(state.measured.artifacts).toBe(2);
    expect(state.completeness.disagrees).toBe(false);
  }
});

test.each([
  [
    'decision_point',
    { decision: 'd', options: [{ a: 1, b: 2 }], chosen: { a: 1, b: 2 }, phase: 'p', step: 's' },
  ],
  [
    'approval_request',
    { approval: 'merge', prompt: 'go on?', details: { a: 1, b: 2 }, phase: 'p', step: 's' },
  ],
  ['approval_granted', { approval: 'merge', by: 'ann', details: { a: 1, b: 2 }, phase: 'p', step: 's' }],
  ['approval_denied', { approval: 'merge', by: 'ann', details: { a: 1, b: 2 }, phase: 'p', step: 's' }],
  ['error', { error: { type: 'E', message: 'm' }, details: { a: 1, b: 2 }, phase: 'p', step: 's' }],
  [
    'step_retry',
    { phase: 'p', step: { name: 's', why: { a: 1, b: 2 } }, error: { type: 'E', message: 'm' } },
  ],
])('a repeated %s with its keys in another order is one event', (type, payload) => {
  const reordered = reversedKeys(payload) as JsonObject;
  const { envelopes, state } = fold(
    workflowFact(0, type, payload),
    workflowFact(1, type, reordered),
    workflowFact(2, type, payload, { key: 'own' }),
    workflowFact(3, type, reordered, { key: 'own' }),
  );
  expect(envelopes.map(({ event_id: id }) => id)).toEqual(
    [0, 2].map((number) => workflowFact(number, type).event_id),
  );
  expect(state.completeness.disagrees).toBe(false);
  const other = { ...payload, phase: 'q' };
  expect(fold(workflowFact(0, type, payload), workflowFact(1, type, other)).envelopes).toHaveLength(2);
});

test('an approval whose name is an object is granted under its keys in any order', () => {
  const { state } = fold(
    workflowFact(0, 'approval_request', { approval: { repo: 'r', pull: 7 } }),
    workflowFact(1, 'approval_granted', { approval: { pull: 7, repo: 'r' } }),
  );
  expect(state.status).toBe('running');
});

test('a repeated start in a shorter form agrees, one with other content does not', () => {
  const full = [phaseStart(0, 'a', []), stepStart(1, 'a', 's')];
  const short = [
    workflowFact(2, 'phase_start', { phase: 'a' }),
    workflowFact(3, 'step_start', { step: { name: 's' }, phase: 'a' }),
  ];
  expect(fold(...full, ...short).state.completeness.disagrees).toBe(false);
  const other = workflowFact(3, 'step_start', { step: { name: 's', skill: 'k' }, phase: 'a' });
  expect(fold(...full, other).state.completeness.disagrees).toBe(true);
});

test('order, batching and duplicates of arriving facts change nothing', () => {
  const expected = fold(...RUN).document(1);
  const arrivals = fc.shuffledSubarray([...RUN, ...RUN], { minLength: RUN.length * 2 });
  fc.assert(
    fc.property(arrivals, (facts) => {
      const one = new WorkflowFold(WORKFLOW_ID, sha256);
      for (const fact of facts) {
        one.add([fact]);
        // Reads in between must not change the result.
        void one.envelopes;
      }
      expect(one.document(1)).toEqual(expected);
    }),
  );
});

test('measured values are next to the reported summary, and a consistent run has no flag', () => {
  const { state } = fold(...RUN);
  expect(state.measured).toEqual({ duration_ms: 8, phases: 1, steps: 1, artifacts: 1, retries: 1 });
  expect(Object.values(state.completeness)).toEqual(Array(8).fill(false));
  expect(state).toMatchObject({
    status: 'success',
    work_item_id: '199',
    project: 'shop',
    attempt: 1,
    phase: null,
    step: null,
    started_at: RUN[0]?.timestamp,
    completed_at: RUN[8]?.timestamp,
  });
});

test('a running workflow shows its open phase and step', () => {
  const running = fold(...RUN.slice(0, 5)).state;
  expect(running).toMatchObject({ status: 'running', phase: 'build', step: 'test', completed_at: null });
  expect(running.levels).toMatchObject([
    { phase: null, step: null, attempt: 1, status: null },
    { phase: 'build', step: null, attempt: 1, status: null },
    { phase: 'build', step: 'test', attempt: 2, status: null },
  ]);
  const asked = fold(...RUN.slice(0, 2), workflowFact(9, 'approval_request', { approval: 'release' }));
  expect(asked.state.status).toBe('waiting');
  asked.add([workflowFact(10, 'approval_granted', { approval: 'release' })]);
  expect(asked.state.status).toBe('running');
});

test('the work item is read from the workflow id when no event gives it', () => {
  expect(fold(phaseStart(1, 'a')).state.work_item_id).toBe('199');
});

const START = workflowFact(0, 'workflow_start');

test.each<[CompletenessFlag, readonly WorkflowFact[]]>([
  ['missing_phase', [{ ...START, phases: ['a', 'b'] }, phaseStart(1, 'a'), phaseEnd(2, 'a'), workflowEnd(3)]],
  ['missing_phase', [START, stepStart(1, 'a', 's'), stepEnd(2, 'a', 's'), workflowEnd(3)]],
  [
    'missing_step',
    [
      START,
      phaseStart(1, 'a', ['s', 't']),
      stepStart(2, 'a', 's'),
      stepEnd(3, 'a', 's'),
      phaseEnd(4, 'a'),
      workflowEnd(5),
    ],
  ],
  ['missing_step', [START, phaseStart(1, 'a'), stepEnd(3, 'a', 's'), phaseEnd(4, 'a'), workflowEnd(5)]],
  ['success_without_children', [START, workflowEnd(1)]],
  ['success_without_children', [START, phaseStart(1, 'a', ['s']), phaseEnd(2, 'a'), workflowEnd(3)]],
  ['failed_child', [START, phaseStart(1, 'a'), phaseEnd(2, 'a', 'failure'), workflowEnd(3)]],
  [
    'failed_child',
    [START, phaseStart(1, 'a'), stepStart(2, 'a', 's'), stepEnd(3, 'a', 's', 'failure'), phaseEnd(4, 'a')],
  ],
  ['no_end', [START, phaseStart(1, 'a'), stepStart(2, 'a', 's'), phaseEnd(3, 'a'), workflowEnd(4)]],
  [
    'approval_missing',
    [
      START,
      phaseStart(1, 'a'),
      workflowFact(2, 'approval_request', { phase: 'a' }),
      phaseEnd(3, 'a'),
      workflowEnd(4),
    ],
  ],
  ['time_reversed', [START, phaseStart(3, 'a'), phaseEnd(2, 'a'), workflowEnd(4)]],
  [
    'time_reversed',
    [workflowFact(2, 'workflow_start'), phaseStart(1, 'a'), phaseEnd(3, 'a'), workflowEnd(4)],
  ],
  [
    'disagrees',
    [START, phaseStart(1, 'a'), phaseEnd(2, 'a'), workflowEnd(3, 'success', { phases_executed: 5 })],
  ],
  ['disagrees', [START, phaseStart(1, 'a'), phaseEnd(2, 'a'), phaseEnd(3, 'a', 'failure'), workflowEnd(4)]],
])('%s is raised', (flag, facts) => {
  expect(fold(...facts).state.completeness[flag]).toBe(true);
});

test('skipped phases and steps are not missing', () => {
  const { completeness } = fold(
    { ...START, phases: ['a', 'b'] },
    phaseStart(1, 'a', ['s', 't']),
    stepStart(2, 'a', 's'),
    stepEnd(3, 'a', 's'),
    workflowFact(4, 'step_skip', { phase: 'a', step: { name: 't' } }),
    phaseEnd(5, 'a'),
    workflowFact(6, 'phase_skip', { phase: 'b' }),
    workflowEnd(7),
  ).state;
  expect(Object.entries(completeness).filter(([, raised]) => raised)).toEqual([]);
});

test('a repeat with another duration agrees', () => {
  const facts = [START, phaseStart(1, 'a'), phaseEnd(2, 'a'), phaseEnd(3, 'a'), workflowEnd(4)];
  expect(fold(...facts).state.completeness.disagrees).toBe(false);
});

test('a document folded from envelopes equals the document folded from facts', () => {
  const document = fold(...RUN).document(4);
  expect(documentOf(document?.events ?? [], { revision: 4, disagrees: false })).toEqual(document);
  expect(documentOf(document?.events ?? [], { revision: 4, disagrees: true })?.completeness.disagrees).toBe(
    true,
  );
});

test('there is no document before the end', () => {
  expect(fold(...RUN.slice(0, 8)).document(1)).toBeUndefined();
  expect(documentOf([], { revision: 1, disagrees: false })).toBeUndefined();
});
