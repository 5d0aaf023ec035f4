import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentProcessOptions, runAgentProcess } from '../../src/agent/run-agent.ts';
import type { AgentOutcome, AgentOutput, AgentRecording, OutputPlace } from '../../src/model/agent-output.ts';

/** A recording that keeps its calls in order. */
export class KeptRecording implements AgentRecording {
  readonly traceparent: string | undefined;
  readonly origin: undefined;
  readonly outputs: AgentOutput[] = [];
  /** The place of each output, in the same order. */
  readonly places: OutputPlace[] = [];
  readonly replayed: AgentOutput[] = [];
  readonly models: string[] = [];
  readonly ends: AgentOutcome[] = [];

  constructor(traceparent?: string) {
    this.traceparent = traceparent;
  }

  output(output: AgentOutput, place: OutputPlace): void {
    this.outputs.push(output);
    this.places.push(place);
  }

  replay(output: AgentOutput): void {
    this.replayed.push(output);
  }

  flush(): void {}

  model(name: string): void {
    this.models.push(name);
  }

  end(outcome: AgentOutcome): void {
    this.ends.push(outcome);
  }

  /** Standard output, joined. */
  text(): string {
    return this.outputs
      .filter((output) => output.type === 'output')
      .map((output) => output.content)
      .join('');
  }

  stderr(): string {
    return this.outputs
      .filter((output) => output.more?.stream === 'stderr')
      .map((output) => output.content)
      .join('');
  }
}

/** A temporary directory for small programs and for the files of their runs. */
export class Workshop {
  readonly directory: string;
  readonly runs: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.runs = join(directory, 'agent', 'task-1');
  }

  static async open(): Promise<Workshop> {
    return new Workshop(await mkdtemp(join(tmpdir(), 'tasktrail-agent-')));
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** The command that runs this JavaScript module. */
  async program(source: string): Promise<[string, string]> {
    const path = this.path('program.mjs');
    await writeFile(path, source);
    return [process.execPath, path];
  }

  async run(
    command: readonly string[],
    options: Partial<AgentProcessOptions> = {},
  ): Promise<{ outcome: AgentOutcome; recording: KeptRecording }> {
    const recording = new KeptRecording();
    const outcome = await runAgentProcess(command, {
      directory: this.runs,
      key: 'run',
      env: { PATH: process.env.PATH ?? '' },
      recording,
      pollMs: 5,
      ...options,
    });
    return { outcome, recording };
  }
}
