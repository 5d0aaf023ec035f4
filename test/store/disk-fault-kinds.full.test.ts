import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { INDEX_URL } from '../support/built.ts';
import { afterTest } from '../support/current-test.ts';
import { tempDir } from '../support/log-dir.ts';
import { serviceEnv } from '../support/service-process.ts';
import { findTool } from '../support/tool.ts';
import { until } from '../support/until.ts';

const tool = findTool('disk-faults');
const isMissing = 'missing' in tool;

const ERRNO = { EIO: 5, EMFILE: 24, ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;
const LINES = 60;
const LAST = 1_000_000;

/** Records what a line of input names: a task with lines, a delivery and a workflow. Says what it knows ten times a second. */
const PROGRAM = `
  import { createInterface } from 'node:readline';
  import { setTimeout as delay } from 'node:timers/promises';
  import { startTasktrail, recordTask, recordDelivery, recordWorkflow } from '${INDEX_URL}';
  let isEnding = false;
  process.on('uncaughtException', (error) => { console.error(error); process.exit(3); });
  const trail = await startTasktrail({ hold: 'must', log: (line) => console.error(line) });
  const say = async (recorded) => {
    let first;
    try { first = (await trail.reader.readDocument('task-first', 'metadata'))?.status; } catch (error) { first = String(error); }
    process.stdout.write(JSON.stringify({
      recorded, first, books: trail.books.snapshot(), reasons: [...trail.books.reasons], notices: [...trail.books.notices],
    }) + '\\n');
  };
  const states = setInterval(() => void say(), 100);
  for await (const name of createInterface({ input: process.stdin })) {
    if (name === 'end') break;
    await recordTask({ source: 'faults', message: 'm', taskId: 'task-' + name }, async (task) => {
      await recordDelivery({ method: 'POST', url: '/' + name, headers: { 'x-github-event': 'e', 'x-github-delivery': name } }, async (delivery) => {
        delivery.stage('received', { event_type: 'e' });
        await delivery.task({ source: 'webhook', message: 'm' }).enqueue({ queue: 'q', system: 's' }, async () => {});
      });
      await recordWorkflow('w', { workItemId: name }, (workflow) => workflow.phase('p', {}, (phase) => phase.step('s', {}, async () => {
        for (let n = 0; n < ${LINES}; n += 1) {
          task.output('line ' + n + ';');
          if (n % 10 === 0) { trail.flush(); await delay(20); }
        }
      })));
    });
    say(name);
  }
  clearInterval(states);
  await trail.shutdown(20_000);
  await say('end');
  process.exit(0);
`;

interface State {
  readonly recorded?: string;
  readonly first?: string;
  readonly books: { readonly dropped: object };
  readonly reasons: readonly (readonly [string, string])[];
  readonly notices: readonly (readonly [string, string])[];
}

class Program {
  readonly child: ChildProcess;
  readonly logDir: string;
  readonly states: State[] = [];
  readonly #control: string;

  private constructor(cwd: string, env: Readonly<Record<string, string>>) {
    this.logDir = join(cwd, 'logs');
    this.#control = join(cwd, 'faults');
    this.fail('');
    const faults = {
      LD_PRELOAD: isMissing ? '' : tool.path,
      DISK_FAULTS: this.#control,
      DISK_FAULTS_DIR: this.logDir,
      ...env,
    };
    this.child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
      cwd,
      env: serviceEnv({ cwd, env: faults }),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (this.child.stdout !== null)
      createInterface({ input: this.child.stdout }).on('line', (line) => this.states.push(JSON.parse(line)));
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const program = new Program(await tempDir(), env);
    afterTest(() => void program.child.kill('SIGKILL'));
    await program.record('first');
    // Each state has the status of this task: none that was printed before its end is to come during a fault.
    const isSeen = (): boolean => program.states.at(-1)?.first?.includes('completed') === true;
    await until(() => program.isWell && program.isStored('first') && isSeen(), 'the first task');
    return program;
  }

  fail(fault: string): void {
    writeFileSync(this.#control, fault);
  }

  async record(name: string): Promise<void> {
    this.child.stdin?.write(`${name}\n`);
    await until(() => this.states.some(({ recorded }) => recorded === name), `${name} to be recorded`);
  }

  get isWell(): boolean {
    return this.states.at(-1)?.reasons.length === 0;
  }

  /** Whether everything of a round is on the disk. */
  isStored(name: string): boolean {
    try {
      return (
        JSON.parse(readFileSync(join(this.logDir, `task-${name}`, 'metadata.json'), 'utf8')).status ===
          'completed' &&
        this.linesOf(name).length >= LINES &&
        this.deliveriesOf(name).length > 0 &&
        this.stagesOf(name).length > 0 &&
        this.eventsOf(name).includes('workflow_complete')
      );
    } catch {
      return false;
    }
  }

  /** The numbers of the stored lines. */
  linesOf(name: string): number[] {
    return this.#read(`task-${name}`, '03-agent-output.jsonl').map((line) =>
      Number(/^line (\d+);$/.exec(String(line.content))?.[1]),
    );
  }

  deliveriesOf(name: string): Record<string, unknown>[] {
    const [day = ''] = readdirSync(join(this.logDir, '_webhooks'));
    return this.#read('_webhooks', day).filter((line) => line.delivery_id === name);
  }

  /** The stages of the task that the delivery has queued. */
  stagesOf(name: string): unknown[] {
    const [taskId] = this.deliveriesOf(name).flatMap((line) => line.task_ids);
    return this.#read(String(taskId), '02-webhook-flow.jsonl').map((line) => line.stage);
  }

  eventsOf(name: string): unknown[] {
    const folder = readdirSync(join(this.logDir, '_workflow'), { recursive: true, encoding: 'utf8' });
    const file = folder.find((path) => path.includes(`-${name}-`) && path.endsWith('.jsonl')) ?? '';
    return this.#read('_workflow', file).map((line) => line.event_type);
  }

  async end(): Promise<State> {
    const closed = once(this.child, 'close');
    this.child.stdin?.write('end\n');
    expect(await closed).toEqual([0, null]);
    const last = this.states.at(-1);
    if (last === undefined) throw new Error('the program has printed nothing');
    return last;
  }

  #read(...path: string[]): Record<string, unknown>[] {
    return readFileSync(join(this.logDir, ...path), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }
}

/** The files of each kind. A document is written to a temporary file, and renamed. */
const KINDS = {
  segment: { path: '*/_journal/*.open' },
  cursors: { path: '*/_journal/*.cursors*', renamed: '*/_journal/*.cursors' },
  facts: { path: '*/task-*/facts.jsonl' },
  output: { path: '*/03-agent-output.jsonl' },
  flow: { path: '*/02-webhook-flow.jsonl' },
  trace: { path: '*/task-*/trace.jsonl' },
  metadata: { path: '*/.metadata.json.*', renamed: '*/metadata.json' },
  input: { path: '*/.01-input.json.*', renamed: '*/01-input.json' },
  result: { path: '*/.04-final-result.json.*', renamed: '*/04-final-result.json' },
  manifest: { path: '*/.manifest.json.*', renamed: '*/manifest.json' },
  deliveries: { path: '*/_webhooks/*' },
  'workflow facts': { path: '*/_workflow/*.facts' },
  'workflow events': { path: '*/_workflow/20*/workflow-*.jsonl' },
  'workflow document': { path: '*/_workflow/*/.workflow-*.json.*', renamed: '*/_workflow/*/workflow-*.json' },
  feed: { path: '*/_workflow/_feed/*' },
  lock: { path: '*/_lock.json*', renamed: '*/_lock.json' },
  everything: { path: '*', renamed: '*' },
} as const;

type Kind = keyof typeof KINDS;

const LINE_KINDS: readonly Kind[] = [
  'segment',
  'facts',
  'output',
  'flow',
  'trace',
  'deliveries',
  'workflow facts',
  'workflow events',
  'feed',
];
const WHOLE_KINDS: readonly Kind[] = [
  'cursors',
  'metadata',
  'input',
  'result',
  'manifest',
  'workflow document',
  'lock',
];

interface Case {
  /** Part of ids. */
  readonly name: string;
  readonly what: string;
  readonly fault: string;
}

function cases(
  call: string,
  errno: keyof typeof ERRNO,
  kinds: readonly Kind[],
  range: string = `1 ${LAST}`,
): Case[] {
  return kinds.map((kind) => {
    const { path, renamed = path }: { path: string; renamed?: string } = KINDS[kind];
    const what = `${call} ${errno} ${range} ${kind}`;
    return {
      what,
      name: what.toLowerCase().replaceAll(' ', ''),
      fault: `${call} ${ERRNO[errno]} ${range} ${call === 'rename' ? renamed : path}`,
    };
  });
}

const ALL = [...LINE_KINDS, ...WHOLE_KINDS];

const GROUPS: readonly (readonly [string, readonly Case[]])[] = [
  ['write', [...cases('write', 'EIO', ALL), ...cases('write', 'EIO', ['segment', 'everything'], '3 9')]],
  ['sync', [...cases('sync', 'EIO', ALL), ...cases('sync', 'EIO', ['everything'], '1 1')]],
  ['open', [...cases('open', 'EIO', ALL), ...cases('openany', 'EMFILE', ['everything'])]],
  [
    'rename',
    [
      ...cases('rename', 'EIO', WHOLE_KINDS),
      ...cases('mkdir', 'ENOSPC', ['everything']),
      ...cases('remove', 'EIO', ['everything']),
    ],
  ],
  [
    'room',
    [
      ...cases('write', 'ENOSPC', ['segment', 'output', 'metadata', 'everything']),
      ...cases('write', 'EDQUOT', ['output', 'metadata', 'everything']),
      ...cases('open', 'EROFS', ['everything']),
    ],
  ],
];

const EVERYTHING = Array.from({ length: LINES }, (_, n) => n);

async function runCase(program: Program, { name, what, fault }: Case): Promise<void> {
  const before = program.states.length;
  program.fail(fault);
  await program.record(name);
  // The faults go on while files settle.
  const recorded = program.states.length;
  await until(() => program.states.length > recorded + 5, 'the faults');
  program.fail('');
  const seen = program.states.slice(before);
  // Without descriptors nothing can be read; an answer says that the client may come again.
  const readable = fault.startsWith('openany') ? /completed|EMFILE/ : /completed/;
  for (const { first } of seen)
    expect(first, `${what}: what was stored before is readable`).toMatch(readable);
  const mended = program.states.length;
  await until(
    () => program.isStored(name) && program.isWell,
    `${what}: everything to be stored, and to be ready`,
  ).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(program.states.at(-1))}`);
  });
  if (process.env.FAULTS_SHOWN)
    console.log(
      what,
      (program.states.length - mended) / 10,
      [...new Set(seen.flatMap(({ reasons }) => reasons.map(([part, text]) => `${part}: ${text}`)))].slice(
        -4,
      ),
    );
}

describe
  .skipIf(isMissing)
  .concurrent('while a kind of file fails, the program goes on, and later everything is there once', () => {
    test.each(GROUPS)(
      '%s',
      async (_, group) => {
        const program = await Program.start();
        for (const one of group) await runCase(program, one);
        const { books, reasons, notices } = await program.end();
        expect(reasons).toEqual([]);
        expect(notices.filter(([part]) => part === "the holder's thread")).toEqual([]);
        expect(books.dropped).toEqual({});
        for (const { name } of group) {
          expect(program.linesOf(name), name).toEqual(EVERYTHING);
          expect(program.deliveriesOf(name), name).toHaveLength(1);
          expect(program.stagesOf(name), name).toEqual(program.stagesOf('first'));
          expect(new Set(program.eventsOf(name)).size, name).toBe(program.eventsOf(name).length);
        }
        expect(readdirSync(join(program.logDir, '_journal'))).toEqual([]);
      },
      300_000,
    );
  });

test.skipIf(isMissing)('a shutdown right after the disk is well stores what waited', async () => {
  const program = await Program.start();
  program.fail(`write ${ERRNO.ENOSPC} 1 ${LAST} */task-*`);
  await program.record('last');
  await until(() => program.states.at(-1)?.reasons.some(([part]) => part === 'store'), 'the reason');
  program.fail('');
  await program.end();
  expect(program.linesOf('last')).toEqual(EVERYTHING);
  expect(readdirSync(join(program.logDir, '_journal'))).toEqual([]);
});
