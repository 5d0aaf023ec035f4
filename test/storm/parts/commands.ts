import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AGENT, commandEnv, LINES_A_RUN, MAIN } from '../world.ts';
import { Client } from './client.ts';

/** A client that runs commands, one after the other. */
abstract class CommandClient extends Client {
  #child: ChildProcess | undefined;

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Returns whether there was a process to kill. */
  kill(): boolean {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    return child.kill('SIGKILL');
  }

  /** Resolves with the exit code; undefined after a signal. */
  protected async command(args: readonly string[]): Promise<number | undefined> {
    const { directory, power } = this.world;
    await power?.isOn;
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: commandEnv(this.world),
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    child.stderr.on('data', (text: Buffer) => appendFileSync(join(directory, `${this.name}.log`), text));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? undefined));
    });
  }
}

/** The step between two events of a workflow, as a shell would emit them. */
const EVENTS: readonly (readonly [string, (note: string) => object])[] = [
  ['workflow_start', (note) => ({ context: {}, note })],
  ['phase_start', (note) => ({ phase: 'build', note })],
  ['step_start', (note) => ({ phase: 'build', step: { name: 'compile' }, note })],
  ['artifact_create', (note) => ({ artifact: { type: 'file', path: note }, phase: 'build' })],
  ['step_complete', (note) => ({ phase: 'build', step: { name: 'compile', status: 'success' }, note })],
  ['phase_complete', (note) => ({ phase: 'build', status: 'success', note })],
  ['workflow_complete', (note) => ({ status: 'success', note })],
];

/** An orchestrator in a shell: emits each event until the command succeeds. */
export class Emitter extends CommandClient {
  #workflows = 0;

  protected async once(): Promise<void> {
    this.#workflows += 1;
    const workflow = `storm-${this.name}-${this.#workflows}`;
    for (const [type, payloadOf] of EVENTS) {
      const token = this.token();
      const payload = JSON.stringify(payloadOf(token));
      for (let tries = 0; ; tries += 1) {
        const code = await this.command(['emit', type, workflow, payload, '--attempt', '1']);
        if (code === 0) {
          this.acknowledge({ kind: 'event', workflow, token, type });
          break;
        }
        // A payload that is refused would be refused for ever.
        if (code === 2) throw new Error(`emit ${type} was refused`);
        if (tries > 50) return;
        await delay(code === undefined ? 0 : 200);
      }
    }
  }
}

/** A person who runs an agent from a shell. */
export class Runner extends CommandClient {
  protected async once(): Promise<void> {
    const token = this.token();
    const agent = ['sh', AGENT, this.world.runLog, token, 'run', String(LINES_A_RUN)];
    const code = await this.command(['run', '--message', token, '--', ...agent]);
    if (code === 0) this.acknowledge({ kind: 'run', token });
    await delay(300);
  }
}
