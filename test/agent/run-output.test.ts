import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Child, ChildExit } from '../../src/agent/child.ts';
import { claude } from '../../src/agent/dialects/claude.ts';
import type { Dialect, DialectReader, Verdict } from '../../src/agent/dialects/dialect.ts';
import { gemini } from '../../src/agent/dialects/gemini.ts';
import { text } from '../../src/agent/dialects/text.ts';
import { RunFolder } from '../../src/agent/run-folder.ts';
import { RunOutput } from '../../src/agent/run-output.ts';
import type { AgentOutput, OutputPlace, OutputStream } from '../../src/model/agent-output.ts';
import { fc } from '../support/fast-check.ts';
import { KeptRecording } from './agent-run.ts';
import { linesOf, readLines } from './reading.ts';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'tasktrail-run-output-'));
  vi.useFakeTimers({ toFake: ['Date'] });
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(parent, { recursive: true, force: true });
});

/** A write of the agent, the time before it, and the fate of the worker after it. */
interface Piece {
  readonly stream: OutputStream;
  readonly bytes: Uint8Array;
  readonly passedMs: number;
  readonly kill: Kill;
}

/** Lives; killed with all records in the journal; killed before the last tick's records; killed while it records a read. */
type Kill = 'no' | 'clean' | 'tick' | { readonly after: number };

/** The recorded outputs by place. A place that is recorded twice must have the same output and time. */
class Records {
  readonly #found = new Map<string, { output: AgentOutput; place: OutputPlace }>();

  add(output: AgentOutput, place: OutputPlace): void {
    const key = keyOf(place);
    const before = this.#found.get(key);
    if (before !== undefined) expect({ output, place }).toEqual(before);
    this.#found.set(key, { output, place });
  }

  has(place: OutputPlace): boolean {
    return this.#found.has(keyOf(place));
  }

  /** Outputs in the order of their ids. */
  of(stream: OutputStream): { output: AgentOutput; place: OutputPlace }[] {
    const mine = [...this.#found.values()].filter(({ place }) => place.stream === stream);
    return mine.sort((a, b) => a.place.line - b.place.line || a.place.index - b.place.index);
  }
}

function keyOf({ stream, line, index }: OutputPlace): string {
  return `${stream} ${line} ${index}`;
}

/** A supervisor. After its kill none of its actions has an effect. */
class Worker {
  readonly reader: DialectReader;
  readonly #records: Records;
  readonly #output: RunOutput;
  readonly #unwritten: { output: AgentOutput; place: OutputPlace }[] = [];
  #read: number;
  #outputsLeft = Number.POSITIVE_INFINITY;
  #following: Promise<unknown> = Promise.resolve();
  #exit: (exit: ChildExit) => void = () => {};

  constructor(folder: RunFolder, dialect: Dialect, { records, read }: { records: Records; read: number }) {
    this.#records = records;
    this.#read = read;
    this.reader = dialect.open();
    const recording = Object.assign(new KeptRecording(), {
      output: (output: AgentOutput, place: OutputPlace) => this.#record(output, place),
      replay: (_output: AgentOutput, place: OutputPlace) => {
        if (!records.has(place)) throw new Error(`never recorded: ${keyOf(place)}`);
      },
    });
    const onOutput = (_stream: OutputStream, bytes: Uint8Array): void => {
      this.#read += bytes.length;
    };
    this.#output = new RunOutput({ folder, reader: this.reader, recording, onOutput, pollMs: 0 });
  }

  async start(isAdopting: boolean): Promise<void> {
    if (isAdopting) await this.#output.readAgain();
    const exited = new Promise<ChildExit>((resolve) => {
      this.#exit = resolve;
    });
    const child: Child = {
      exited,
      stop: () => this.#exit({ exitCode: 0, signal: null }),
      wasStopped: false,
    };
    this.#following = this.#output.follow(child);
  }

  /** Reads until all output is read or the worker is killed. */
  async readTo(bytes: number): Promise<void> {
    while (this.#read < bytes && this.#outputsLeft > 0) await nextTurn();
    await nextTurn();
  }

  get read(): number {
    return this.#read;
  }

  killAfter(outputs: number): void {
    this.#outputsLeft = outputs;
  }

  /** The records so far are in the journal. */
  write(): void {
    for (const { output, place } of this.#unwritten.splice(0)) this.#records.add(output, place);
  }

  async kill(): Promise<void> {
    this.#outputsLeft = 0;
    this.#unwritten.splice(0);
    this.#exit({ exitCode: null, signal: null });
    await this.#following;
  }

  async end(): Promise<Verdict> {
    this.#exit({ exitCode: 0, signal: null });
    expect(await this.#following).toBeUndefined();
    this.write();
    return this.reader.verdict();
  }

  #record(output: AgentOutput, place: OutputPlace): void {
    if (this.#outputsLeft <= 0) throw new Error('killed');
    this.#outputsLeft -= 1;
    this.#unwritten.push({ output, place });
  }
}

async function work(
  dialect: Dialect,
  pieces: readonly Piece[],
): Promise<{ records: Records; verdict: Verdict }> {
  vi.setSystemTime(1_700_000_000_000);
  const folder = await RunFolder.create(parent, 'run');
  (await folder.openChildEnds(undefined)).close();
  const records = new Records();
  let written = 0;
  let worker = new Worker(folder, dialect, { records, read: 0 });
  await worker.start(false);
  for (const { stream, bytes, passedMs, kill } of pieces) {
    vi.setSystemTime(Date.now() + passedMs);
    worker.write();
    if (typeof kill === 'object') worker.killAfter(kill.after);
    await appendFile(join(folder.directory, stream), bytes);
    written += bytes.length;
    await worker.readTo(written);
    if (kill === 'no') continue;
    if (kill !== 'tick') worker.write();
    await worker.kill();
    worker = new Worker(folder, dialect, { records, read: worker.read });
    await worker.start(true);
  }
  await worker.readTo(written);
  return { records, verdict: await worker.end() };
}

const kills: fc.Arbitrary<Kill> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Kill>('no') },
  fc.constant<Kill>('clean'),
  fc.constant<Kill>('tick'),
  fc.record({ after: fc.nat({ max: 5 }) }),
);

/** The output in random pieces, with random kills. */
function cut(whole: fc.Arbitrary<Buffer>): fc.Arbitrary<Piece[]> {
  const place = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    passedMs: fc.nat({ max: 4_000 }),
    kill: kills,
  });
  return fc.tuple(whole, fc.array(place, { maxLength: 12 })).map(([bytes, places]) => {
    const sorted = places
      .map(({ at, ...rest }) => ({ end: Math.round(at * bytes.length), ...rest }))
      .sort((a, b) => a.end - b.end);
    let start = 0;
    return [...sorted, { end: bytes.length, passedMs: 1, kill: 'no' as const }].map(({ end, ...rest }) => {
      const piece: Piece = { stream: 'stdout', bytes: bytes.subarray(start, end), ...rest };
      start = end;
      return piece;
    });
  });
}

const hostileBytes: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc
          .constantFrom('a', 'line\n', '\r\n', '\n', 'é', '€', '𝄞', '\uFEFF', '\0', '\x1b[31m')
          .map((s) => Buffer.from(s)),
      },
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)) },
      { weight: 1, arbitrary: fc.nat({ max: 200_000 }).map((n) => Buffer.alloc(n, '€x')) },
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));

function linesIn(whole: string): string[] {
  return whole.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

test('every line is recorded once and in order, for any output and any kills of the worker', {
  tags: 'full',
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(cut(hostileBytes), cut(hostileBytes), async (out, errors) => {
      const stderr = errors.map((piece) => ({ ...piece, stream: 'stderr' as const }));
      const mixed = out.flatMap((piece, n) => [piece, ...stderr.slice(n, n + 1)]);
      const pieces = [...mixed, ...stderr.slice(out.length)];
      const { records, verdict } = await work(text, pieces);
      const written = (stream: OutputStream): string =>
        Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes)).toString(
          'utf8',
        );
      for (const stream of ['stdout', 'stderr'] as const) {
        const found = records.of(stream);
        expect(found.map(({ output }) => output.content)).toEqual(linesIn(written(stream)));
        const times = found.map(({ place }) => place.timeMs);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }
      expect(verdict).toEqual(readLines(text, linesIn(written('stdout'))).reader.verdict());
    }),
    { numRuns: 150 },
  );
});

test('a line of several megabytes survives kills while it is read', {
  tags: 'full',
  timeout: 120_000,
}, async () => {
  const long = Buffer.from(`${'€'.repeat(1_200_000)}\n${'z'.repeat(5_000_000)}`);
  const pieces: Piece[] = [];
  for (let start = 0, n = 0; start < long.length; start += 700_001, n += 1)
    pieces.push({
      stream: 'stdout',
      bytes: long.subarray(start, start + 700_001),
      passedMs: 1_500,
      kill: n % 3 === 1 ? 'tick' : 'no',
    });
  const { records } = await work(text, pieces);
  const contents = records.of('stdout').map(({ output }) => output.content);
  expect(contents.map(({ length }) => length)).toEqual([1_200_001, 5_000_000]);
  expect(contents.join('') === long.toString()).toBe(true);
});

test.each(['demo', 'subagent', 'partial', 'flaky', 'broken', 'sigint-in-tool'])(
  'the recording %s of Claude Code gives the same lines, tool calls, tokens and outcome with any kills',
  async (name) => {
    const lines = linesOf(`claude-code/${name}`);
    const whole = readLines(claude, lines);
    await fc.assert(
      fc.asyncProperty(cut(fc.constant(Buffer.from(lines.join('')))), async (pieces) => {
        const { records, verdict } = await work(claude, pieces);
        expect(records.of('stdout').map(({ output }) => output)).toEqual(whole.outputs);
        expect(verdict).toEqual(whole.reader.verdict());
      }),
      { numRuns: 25 },
    );
  },
  60_000,
);

test('a file that became shorter than its marks is read to its end', async () => {
  const folder = await RunFolder.create(parent, 'run');
  (await folder.openChildEnds(undefined)).close();
  const log = folder.readLog();
  log.append('stdout', { endBytes: 1_000, timeMs: 1 });
  log.close();
  await appendFile(join(folder.directory, 'stdout'), 'one\ntwo\n');
  const records = new Records();
  const worker = new Worker(folder, text, { records, read: 0 });
  await worker.start(true);
  await worker.end();
  expect(records.of('stdout').map(({ output }) => output.content)).toEqual(['one\n', 'two\n']);
});

test('an output that a dialect held back has a place after the last line, the same after a kill', async () => {
  const lines = [
    { type: 'init', model: 'm' },
    { type: 'message', role: 'user', content: 'hi' },
    { type: 'message', role: 'assistant', content: 'held ', delta: true },
    { type: 'message', role: 'assistant', content: 'back', delta: true },
  ].map((line) => Buffer.from(`${JSON.stringify(line)}\n`));
  const places = async (kill: Kill): Promise<OutputPlace[]> => {
    const pieces = lines.map((bytes) => ({ stream: 'stdout' as const, bytes, passedMs: 10, kill }));
    const { records } = await work(gemini, pieces);
    const found = records.of('stdout');
    expect(found.at(-1)?.output).toMatchObject({ type: 'output', content: 'held back' });
    return found.map(({ place }) => place);
  };
  const first = await places('no');
  expect(first.at(-1)?.line).toBe(lines.length);
  const again = await places('clean');
  expect(again.map(keyOf)).toEqual(first.map(keyOf));
});
