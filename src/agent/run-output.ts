import { closeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type {
  AgentOutput,
  AgentRecording,
  OutputPlace,
  OutputStream,
  RunAgentOptions,
} from '../model/agent-output.ts';
import { createPieceRedactor } from '../redact/stream.ts';
import type { Child } from './child.ts';
import type { DialectReader } from './dialects/dialect.ts';
import { ReasonLines } from './failure-reason.ts';
import { StderrTail, type Stop } from './outcome.ts';
import { CHUNK_BYTES, OutputFile, type ReadPiece } from './output-file.ts';
import { nextPoll } from './poll-timer.ts';
import type { ReadLog } from './read-log.ts';
import type { RunFolder } from './run-folder.ts';

/** Live enough for a person; 20 polls a second have no measurable cost. */
const POLL_MS = 50;

/** Reads of a killed process within this time before its last read are recorded again: they may not be in the journal. */
const UNSURE_MS = 2_000;

/** More than an agent prints in a day. Stops a program in an endless loop before it fills the disk. */
const STREAM_BYTES_MAX = 1024 ** 3;

/** An agent that has said its last word exits at once, or after the flush of its telemetry, which takes some seconds. */
const LINGER_MS = 30_000;

/** The agent printed more than the limit. */
class EndlessOutputError extends Error {}

export interface RunOutputOptions {
  readonly folder: RunFolder;
  readonly reader: DialectReader;
  readonly recording: AgentRecording;
  readonly onOutput?: RunAgentOptions['onOutput'] | undefined;
  readonly pollMs?: number | undefined;
  /** Limit for each stream. */
  readonly bytesMax?: number | undefined;
  /** Milliseconds for the agent to exit after its last word. */
  readonly lingerMs?: number | undefined;
  /** Called before the child is stopped because it did not exit after its last word. */
  onLinger?(): void;
}

/** Reads the output files of a run and records their lines. */
export class RunOutput {
  readonly #options: RunOutputOptions;
  readonly #log: ReadLog;
  readonly #fds: number[] = [];
  readonly #files: Readonly<Record<OutputStream, OutputFile>>;
  readonly #errors = new StderrTail();
  readonly #reasons = new ReasonLines();
  /** Of plain lines: a key stands in several. The same lines after a crash give the same texts. */
  readonly #redactors = { stdout: createPieceRedactor(), stderr: createPieceRedactor() };
  /** On the monotonic clock: when the last message was read. */
  #spokeAtMs = 0;
  #lingered = false;
  /** While the reads of a killed process are repeated: lines read before this time are in the journal. */
  #recordedBeforeMs = 0;
  #isLive = true;
  #lastLine = 0;

  constructor(options: RunOutputOptions) {
    this.#options = options;
    this.#log = options.folder.readLog();
    try {
      this.#files = { stdout: this.#open('stdout'), stderr: this.#open('stderr') };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The last lines of standard error. */
  get lastErrors(): string {
    return this.#errors.text();
  }

  /** The line of plain output that names an error. */
  get reason(): string {
    return this.#reasons.text();
  }

  /** Whether the run is stopped for not exiting after its last word. */
  get lingered(): boolean {
    return this.#lingered && this.#options.reader.isFinal;
  }

  /** Also for a limit that ends the run while it only lingers, and for a run that an earlier process stopped. */
  markLingered(): void {
    if (!this.#lingered) this.#options.onLinger?.();
    this.#lingered = true;
  }

  /** Repeats the reads of a killed process, which brings the dialect's reader to the same state. */
  async readAgain(): Promise<void> {
    const marks = this.#log.read();
    const last = Math.max(...Object.values(marks).map((list) => list.at(-1)?.timeMs ?? 0));
    this.#recordedBeforeMs = last - UNSURE_MS;
    this.#isLive = false;
    for (const stream of ['stdout', 'stderr'] as const) {
      for (const mark of marks[stream]) {
        if (!this.#files[stream].again(mark)) break;
        await nextTurn();
      }
    }
    this.#isLive = true;
    this.#recordedBeforeMs = 0;
  }

  /** Records until the child's exit. Resolves with a reason when the output had to be abandoned; stops the child then. */
  async follow(child: Child): Promise<Stop | undefined> {
    try {
      await this.#follow(child);
      return undefined;
    } catch (error) {
      if (error instanceof EndlessOutputError) {
        // No grace period: the output grows during it.
        child.stop(0);
        return { errorType: 'output_limit', error: error.message };
      }
      // An agent must not go on without a record of it.
      child.stop();
      return { errorType: 'agent_error', error: `its output could not be read: ${messageOf(error)}` };
    } finally {
      await child.exited;
      this.close();
    }
  }

  async #follow(child: Child): Promise<void> {
    const exited = new AbortController();
    void child.exited.finally(() => exited.abort());
    const { stdout, stderr } = this.#files;
    while (!exited.signal.aborted) {
      const isMore = [stdout.next(), stderr.next()].includes(CHUNK_BYTES);
      this.#checkSize();
      if (!isMore) this.#endLingering(child);
      if (isMore) await nextTurn();
      else await nextPoll(this.#options.pollMs ?? POLL_MS, exited.signal);
    }
    for (const file of [stdout, stderr]) {
      // Processes of the agent may still be writing: its output ends at the size that the file has now.
      const size = file.size();
      while (file.position < size && file.next(size - file.position) > 0) await nextTurn();
      file.end();
    }
    const last = this.#options.reader.end();
    this.#recordAll(this.lingered ? [...last, LINGERED] : last, {
      stream: 'stdout',
      line: this.#lastLine + 1,
      timeMs: Date.now(),
    });
  }

  #endLingering(child: Child): void {
    const { reader, lingerMs = LINGER_MS } = this.#options;
    if (!reader.isFinal || this.#lingered || child.wasStopped) return;
    if (performance.now() - this.#spokeAtMs < lingerMs) return;
    this.markLingered();
    child.stop();
  }

  #open(stream: OutputStream): OutputFile {
    const { folder, onOutput } = this.#options;
    const fd = folder.openStream(stream);
    this.#fds.push(fd);
    return new OutputFile({
      fd,
      now: Date.now,
      onRead: (mark, bytes) => {
        this.#log.append(stream, mark);
        onOutput?.(stream, bytes);
      },
      onPiece: stream === 'stdout' ? (piece) => this.#readOut(piece) : (piece) => this.#readError(piece),
    });
  }

  #readOut({ text, partial, line, timeMs }: ReadPiece): void {
    const { reader, recording } = this.#options;
    const before = reader.model;
    let outputs = reader.read(text, partial);
    this.#lastLine = line;
    if (isPlain(outputs, text)) {
      const masked = this.#redactors.stdout.mask(text);
      this.#reasons.add(masked);
      outputs = outputs.with(-1, { ...outputs.at(-1), type: 'output', content: masked });
    } else this.#spokeAtMs = performance.now() - (this.#isLive ? 0 : Math.max(0, Date.now() - timeMs));
    if (reader.model !== null && reader.model !== before) recording.model(reader.model);
    this.#recordAll(outputs, { stream: 'stdout', line, timeMs });
  }

  #readError({ text: raw, partial, line, timeMs }: ReadPiece): void {
    const text = this.#redactors.stderr.mask(raw);
    this.#errors.add(text);
    this.#reasons.add(text);
    const more = partial ? { stream: 'stderr', partial: true } : { stream: 'stderr' };
    this.#recordAll([{ type: 'system', content: text, more }], { stream: 'stderr', line, timeMs });
  }

  #recordAll(outputs: readonly AgentOutput[], at: Omit<OutputPlace, 'index'>): void {
    const { recording } = this.#options;
    const isOnRecord = !this.#isLive && at.timeMs < this.#recordedBeforeMs;
    for (const [index, output] of outputs.entries()) {
      if (isOnRecord) recording.replay(output, { ...at, index });
      else recording.output(output, { ...at, index });
    }
  }

  /** Checks the size of the files, because a fast writer is far ahead of the reads. */
  #checkSize(): void {
    const max = this.#options.bytesMax ?? STREAM_BYTES_MAX;
    for (const [stream, file] of Object.entries(this.#files)) {
      if (file.size() > max) throw new EndlessOutputError(`it printed more than ${max} bytes to ${stream}`);
    }
  }

  close(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
    this.#log.close();
  }
}

const LINGERED: AgentOutput = {
  type: 'system',
  content: 'the agent did not exit after its last word and was ended',
  more: { lingered: true },
};

/** A line that is no message of the agent. It does not show that the agent works on: a server it started may print it. */
function isPlain(outputs: readonly AgentOutput[], line: string): boolean {
  const last = outputs.at(-1);
  return last !== undefined && last.type === 'output' && last.content === line;
}
