import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Fact, Ledger, readFacts, tokenOf } from '../ledger.ts';
import { check, type Violation } from './check.ts';
import { readEvidence } from './evidence.ts';
import { readRuns } from './history.ts';

const LINES_A_RUN = 2;

const [input, output, result, event, delivery, span] = [1, 2, 3, 4, 5, 6].map((n) => tokenOf('rec0s1', n));

/** A directory with one webhook task of two agent runs, one workflow and one delivery, and what was acknowledged of them. */
class Subject {
  readonly directory: string;
  killed: ReadonlySet<number> = new Set();
  atEndpoint: ReadonlySet<string> | undefined;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<Subject> {
    const subject = new Subject(await mkdtemp(join(tmpdir(), 'tasktrail-check-')));
    onTestFinished(() => rmSync(subject.directory, { recursive: true }));
    for (const [path, lines] of Object.entries(GOOD)) subject.write(path, lines.map(textOf).join(''));
    mkdirSync(join(subject.directory, 'ledgers'));
    const ledger = new Ledger(join(subject.directory, 'ledgers'), 'rec0s1');
    ledger.add(...FACTS);
    ledger.close();
    return subject;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** Replaces a text, which must be there. */
  change(name: string, from: string, to: string): void {
    const text = readFileSync(this.path(name), 'utf8');
    expect(text).toContain(from);
    this.write(name, text.replace(from, to));
  }

  /** Removes the lines with a text. */
  remove(name: string, part: string): void {
    const lines = readFileSync(this.path(name), 'utf8').split('\n');
    const kept = lines.filter((line) => !line.includes(part));
    expect(kept.length).toBeLessThan(lines.length);
    this.write(name, kept.join('\n'));
  }

  double(name: string): void {
    appendFileSync(this.path(name), readFileSync(this.path(name)));
  }

  check(isAnonymous: (fact: Fact) => boolean = () => false): readonly Violation[] {
    const facts = readFacts(this.path('ledgers'));
    const runs = readRuns(this.path('runs.log'), this.killed);
    const { atEndpoint } = this;
    const history = { facts, runs, linesARun: LINES_A_RUN, isAnonymous, atEndpoint };
    return check(history, readEvidence(this.path('logs'))).violations;
  }

  /** The kinds of all violations, each once. */
  kinds(): readonly string[] {
    return [...new Set(this.check().map(({ kind }) => kind))].sort();
  }
}

const END = { status: 'completed', completed_at: '2026-01-02T03:04:05.000Z' };
const WORKFLOW = 'logs/_workflow/2026/01/workflow-1';
const TASK = 'logs/task-1';

const GOOD: Readonly<Record<string, readonly unknown[]>> = {
  [`${TASK}/metadata.json`]: [{ task_id: 'task-1', source: 'webhook', ...END }],
  [`${TASK}/01-input.json`]: [{ message: `${input} ${delivery}`, source_metadata: { webhook_id: delivery } }],
  [`${TASK}/02-webhook-flow.jsonl`]: [
    'received',
    'validation',
    'command_matching',
    'immediate_response',
    'task_created',
    'queue_push',
  ].map((stage, n) => ({ stage, event_id: `stage-${n}` })),
  [`${TASK}/03-agent-output.jsonl`]: [
    { type: 'output', content: `${output}\n`, event_id: 'line-1' },
    { type: 'output', content: 'line 7-70 0;\nline 7-70 1;\n', event_id: 'line-2' },
    { type: 'output', content: 'line 8-80 0;\n', event_id: 'line-3' },
    { type: 'output', content: 'line 8-80 1;\n', event_id: 'line-4' },
  ],
  [`${TASK}/04-final-result.json`]: [{ success: true, result: result, ...END }],
  [`${TASK}/facts.jsonl`]: [{ event: 'tasktrail.task.result', event_id: 'fact-1', body: END }],
  [`${TASK}/trace.jsonl`]: [{ name: span }],
  [`${WORKFLOW}.jsonl`]: [
    { event_type: 'step_start', event_id: 'e1', attempt: 1, payload: { phase: 'a', step: { name: 'b' } } },
    { event_type: 'artifact_create', event_id: 'e2', attempt: 1, payload: { artifact: { path: event } } },
    {
      event_type: 'step_complete',
      event_id: 'e3',
      attempt: 1,
      // Completion events name the artifacts again.
      payload: { phase: 'a', step: { name: 'b' }, artifacts: [{ path: event }] },
    },
    { event_type: 'workflow_complete', event_id: 'e4', attempt: 1, payload: {} },
  ],
  [`${WORKFLOW}.json`]: [{ event_type: 'workflow_complete' }],
  'logs/_webhooks/2026-01-02.jsonl': [
    { delivery_id: delivery, outcome: 'accepted' },
    { delivery_id: delivery, outcome: 'duplicate' },
  ],
  'logs/_queue/_opened.json': [{}],
  'runs.log': [
    'began task-1 build compile 7-70 7',
    'ended task-1 build compile 7-70 7',
    'began task-1 build test 8-80 8',
    'ended task-1 build test 8-80 8',
  ],
};

const FACTS = [
  { kind: 'input', task: 'task-1', token: input ?? '' },
  { kind: 'output', task: 'task-1', token: output ?? '' },
  { kind: 'result', task: 'task-1', token: result ?? '', status: 'completed' },
  { kind: 'event', workflow: 'workflow-1', token: event ?? '', type: 'artifact_create' },
  { kind: 'delivery', delivery: delivery ?? '', token: delivery ?? '', cutTries: 0 },
  { kind: 'span', task: 'task-1', token: span ?? '' },
] as const;

function textOf(line: unknown): string {
  return `${typeof line === 'string' ? line : JSON.stringify(line)}\n`;
}

test('a good directory has no violation', async () => {
  const subject = await Subject.make();
  expect(subject.check()).toEqual([]);
});

const AFTER_THE_END = [
  { event_type: 'step_start', event_id: 'e9', attempt: 1, payload: { phase: 'a', step: 'b' } },
];

test.each<[string, string, (subject: Subject) => void]>([
  ['a removed line', 'lost', (s) => s.remove(`${TASK}/03-agent-output.jsonl`, output ?? '')],
  [
    'a line cut in half',
    'lost',
    (s) => s.change(`${TASK}/03-agent-output.jsonl`, '"event_id":"line-1"}', ''),
  ],
  ['a doubled file of lines', 'agent line doubled,doubled', (s) => s.double(`${TASK}/03-agent-output.jsonl`)],
  ['a line under another id', 'doubled', (s) => again(s, `${TASK}/03-agent-output.jsonl`, output ?? '')],
  ['a line in another task', 'lost', (s) => s.change(`${TASK}/03-agent-output.jsonl`, output ?? '', 'gone')],
  ['a lost input', 'delivery lost,lost', (s) => rmSync(s.path(`${TASK}/01-input.json`))],
  ['another result', 'lost', (s) => s.change(`${TASK}/04-final-result.json`, result ?? '', 'other')],
  ['a changed status', 'disagrees', (s) => s.change(`${TASK}/metadata.json`, 'completed', 'failed')],
  [
    'a task that runs again',
    'disagrees,unfinished',
    (s) => s.change(`${TASK}/metadata.json`, 'completed', 'running'),
  ],
  ['a changed time', 'disagrees', (s) => s.change(`${TASK}/metadata.json`, '03:04:05', '03:04:06')],
  ['a lost final result', 'disagrees,lost', (s) => rmSync(s.path(`${TASK}/04-final-result.json`))],
  ['a lost fact', 'disagrees', (s) => s.write(`${TASK}/facts.jsonl`, '')],
  ['a lost stage', 'lost', (s) => s.remove(`${TASK}/02-webhook-flow.jsonl`, 'task_created')],
  ['a doubled stage', 'doubled', (s) => s.double(`${TASK}/02-webhook-flow.jsonl`)],
  ['a lost span', 'lost', (s) => s.write(`${TASK}/trace.jsonl`, '')],
  ['a lost event', 'lost', (s) => s.remove(`${WORKFLOW}.jsonl`, 'artifact_create')],
  ['a doubled event', 'doubled', (s) => again(s, `${WORKFLOW}.jsonl`, AFTER_THE_END.map(textOf).join(''))],
  ['a lost document', 'disagrees', (s) => rmSync(s.path(`${WORKFLOW}.json`))],
  ['a lost delivery', 'delivery lost', (s) => s.write('logs/_webhooks/2026-01-02.jsonl', '')],
  ['a doubled delivery', 'delivery doubled', (s) => s.double('logs/_webhooks/2026-01-02.jsonl')],
  ['a step that ran twice', 'agent line lost,step ran twice', (s) => run(s, 'ended')],
  [
    'a lost line of an agent',
    'agent line lost',
    (s) => s.remove(`${TASK}/03-agent-output.jsonl`, 'line 8-80 1;'),
  ],
  ['a waiting segment', 'unfinished', (s) => s.write('logs/_journal/a.jsonl', '')],
  ['a waiting task', 'unfinished', (s) => s.write('logs/_queue/task-1.json', '{}')],
  ['a forged line', 'forged', (s) => appendFileSync(s.path(`${TASK}/facts.jsonl`), '{"x":"forged.1"}\n')],
  ['a record that the endpoint has not', 'endpoint lost', (s) => (s.atEndpoint = new Set())],
])('%s is found', async (_name, kinds, mutate) => {
  const subject = await Subject.make();
  mutate(subject);
  expect(subject.kinds().join()).toBe(kinds);
});

/** Appends a line, or the first line with a text under another id. */
function again(subject: Subject, name: string, text: string): void {
  const lines = readFileSync(subject.path(name), 'utf8').split('\n');
  const line = lines.find((one) => one.includes(text)) ?? text;
  appendFileSync(subject.path(name), `${line.replace(/"event_id":"[^"]*"/, '"event_id":"other"')}\n`);
}

/** A second run of a step, after a first one that has ended. */
function run(subject: Subject, word: string): void {
  const lines = [`began task-1 build test 9-90 9`, `${word} task-1 build test 9-90 9`];
  appendFileSync(subject.path('runs.log'), lines.map(textOf).join(''));
}

test('a step may run again after its agent was stopped or killed', async () => {
  const subject = await Subject.make();
  const before = ['began task-1 build compile 5-50 5', 'stopped task-1 build compile 5-50 5'];
  const log = readFileSync(subject.path('runs.log'), 'utf8');
  subject.write('runs.log', `${before.map(textOf).join('')}${log}`);
  expect(subject.check()).toEqual([]);
  subject.write('runs.log', `${textOf(before[0])}${log}`);
  expect(subject.kinds()).toEqual(['step ran twice']);
  subject.killed = new Set([5]);
  expect(subject.check()).toEqual([]);
});

test('a delivery that was worked on twice is found, unless a try of it was cut off', async () => {
  const subject = await Subject.make();
  const second = 'logs/task-2';
  for (const [path, lines] of Object.entries(GOOD)) {
    if (!path.startsWith(TASK)) continue;
    const text = lines.map(textOf).join('').replaceAll('task-1', 'task-2');
    subject.write(path.replace(TASK, second), text.replaceAll(/line \d+-\d+ \d;/g, ''));
  }
  expect(subject.kinds()).toEqual(['worked on twice']);
  const ledger = 'ledgers/rec0s1.jsonl';
  subject.change(ledger, '"cutTries":0', '"cutTries":1');
  expect(subject.check()).toEqual([]);
});

test('an anonymous task may stay open, and others may write to it', async () => {
  const subject = await Subject.make();
  subject.write('logs/task-2/metadata.json', JSON.stringify({ status: 'running', model: 'forged.1' }));
  expect(subject.kinds()).toEqual(['forged', 'unfinished']);
  const ledger = new Ledger(subject.path('ledgers'), 'otlp0');
  subject.write('logs/task-2/03-agent-output.jsonl', textOf({ content: tokenOf('otlp0', 1), event_id: 'x' }));
  ledger.add({ kind: 'output', task: 'task-2', token: tokenOf('otlp0', 1) });
  ledger.close();
  expect(subject.check(({ by }) => by === 'otlp0')).toEqual([]);
});

test('a fact whose line was cut by a kill was not acknowledged', async () => {
  const subject = await Subject.make();
  const ledger = subject.path('ledgers/rec0s1.jsonl');
  const text = readFileSync(ledger, 'utf8');
  writeFileSync(ledger, text.slice(0, -10));
  expect(readFacts(subject.path('ledgers'))).toHaveLength(FACTS.length - 1);
  expect(subject.check()).toEqual([]);
});
