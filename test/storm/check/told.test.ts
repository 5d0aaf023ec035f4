import { expect, test } from 'vitest';
import type { Told } from '../parts/notify-sink.ts';
import type { Evidence, Lines, TaskEvidence } from './evidence.ts';
import type { History } from './history.ts';
import { checkTold } from './told.ts';

const NONE: Lines = { lines: [], bad: 0 };

function ended(status: string): TaskEvidence {
  const result = { status };
  const metadata = { status, attempt: 1, completed_at: '2026-01-02T03:04:05.000Z' };
  return { metadata, result, input: {}, flow: NONE, output: NONE, facts: NONE, trace: NONE, text: '' };
}

const EVIDENCE: Evidence = {
  ...{ isFiles: false, workflows: new Map(), deliveries: NONE, segments: [], queued: [] },
  tasks: new Map([['t', ended('completed')]]),
};

function kindsWith(told: readonly Told[] | undefined, more: Partial<History> = {}): readonly string[] {
  const history: History = { facts: [], runs: [], linesARun: 1, isAnonymous: () => false, told, ...more };
  return checkTold(history, EVIDENCE).map(({ kind }) => kind);
}

const TOLD: Told = { id: 'a', type: 'task.completed', about: 't', attempt: 1 };

test('an end is notified once, perhaps several times with one id', () => {
  expect(kindsWith(undefined)).toEqual([]);
  expect(kindsWith([TOLD])).toEqual([]);
  expect(kindsWith([TOLD, TOLD])).toEqual([]);
  expect(kindsWith([TOLD, { ...TOLD, id: 'b' }])).toEqual(['notified twice']);
});

test('an end that was not told is found, also when another one was', () => {
  expect(kindsWith([])).toEqual(['not notified']);
  expect(kindsWith([], { toldFromMs: Date.parse('2026-01-02T03:04:06.000Z') })).toEqual([]);
  expect(kindsWith([{ ...TOLD, type: 'task.abandoned' }])).toEqual(['not notified']);
  expect(kindsWith([{ ...TOLD, attempt: 2 }])).toEqual(['not notified']);
});

test('ends of senders without a token may be told', () => {
  const fact = { kind: 'input', task: 't', token: 'x', by: 'otlp0', at: 0 } as const;
  expect(kindsWith([], { facts: [fact], isAnonymous: () => true })).toEqual([]);
});
