import { createHash, randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { ConfigMemory } from '../store/config-memory.ts';
import { ownIdentity } from '../system/process-identity.ts';

/** Of a process; then the two that are closest to each other become one. */
const SPANS_MAX = 200;

type Span = [fromMs: number, toMs: number | null];

/** The real directory; the path itself when it does not exist. */
export function realDirectory(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // ENOENT, EACCES: then no agent can start there.
    return path;
  }
}

/**
 * Remembers durably when agents of this process run, and where: what they could have written meanwhile is not taken for
 * configuration by the next start.
 */
export class AgentSpans {
  readonly #memory: ConfigMemory;
  readonly #logDir: string;
  readonly #directories: readonly string[];
  readonly #onProblem: (reason: string | undefined) => void;
  readonly #name: string;
  readonly #isShared: boolean;
  readonly #spans: Span[] = [];
  #running = 0;
  #saving: Promise<void> = Promise.resolve();

  /**
   * `directories`: where the agents work. `isShared`: processes that end with their agent have one file for each place, so that
   * it does not become many.
   */
  constructor(
    { memoryDir, logDir }: Pick<Config, 'memoryDir' | 'logDir'>,
    directories: readonly string[],
    onProblem: (reason: string | undefined) => void,
    { isShared = false }: { readonly isShared?: boolean } = {},
  ) {
    this.#isShared = isShared;
    const own = `${process.pid}-${randomBytes(6).toString('hex')}`;
    this.#name = `agents-${isShared ? `run-${digest(directories)}` : own}.json`;
    this.#memory = new ConfigMemory(memoryDir);
    this.#logDir = logDir;
    this.#directories = directories;
    this.#onProblem = onProblem;
  }

  /** Of the configured agents. The bundled sample writes nothing. */
  static of(config: Config, onProblem: (reason: string | undefined) => void): AgentSpans {
    const directories = Object.values(config.agents).map(({ cwd = '.' }) => resolve(cwd));
    return new AgentSpans(config, directories, onProblem);
  }

  /** Before an agent is started. */
  async agentStarted(): Promise<void> {
    this.#running += 1;
    if (this.#running > 1 || this.#directories.length === 0) return this.#saving;
    this.#spans.push([Date.now(), null]);
    await this.#save();
  }

  /** After it has ended, with all that it started. */
  async agentEnded(): Promise<void> {
    this.#running -= 1;
    const last = this.#spans.at(-1);
    if (this.#running > 0 || last === undefined) return;
    last[1] = Date.now();
    await this.#save();
  }

  /** A failure does not stop the task: it is said, and the spans are saved with the next change. */
  #save(): Promise<void> {
    if (this.#spans.length > SPANS_MAX) mergeClosest(this.#spans);
    const own = this.#spans.map(([from, to]): Span => [from, to]);
    this.#saving = this.#saving
      .then(() => this.#write(own))
      .then(() => this.#onProblem(undefined))
      .catch((error: unknown) => this.#onProblem(messageOf(error)));
    return this.#saving;
  }

  async #write(own: readonly Span[]): Promise<void> {
    const saved = this.#isShared ? await this.#memory.readRuns(this.#name) : undefined;
    const isOwn = new Set(own.map(([from]) => from));
    const others = (saved?.spans ?? [])
      .filter(([from]) => !isOwn.has(from))
      .map(([from, to]): Span => [from, to]);
    const spans = [...others, ...own].sort(([a], [b]) => a - b);
    if (spans.length > SPANS_MAX) mergeClosest(spans);
    await this.#memory.writeRuns(this.#name, {
      process: ownIdentity(),
      log_dir: this.#logDir,
      directories: [...new Set(this.#directories.map(realDirectory))],
      spans,
    });
  }
}

function digest(directories: readonly string[]): string {
  return createHash('sha256').update(directories.join('\n')).digest('hex').slice(0, 16);
}

function mergeClosest(spans: Span[]): void {
  let [best, gap] = [1, Number.POSITIVE_INFINITY];
  for (const [index, [from]] of spans.entries()) {
    const before = spans[index - 1]?.[1];
    if (before === undefined || before === null || from - before >= gap) continue;
    [best, gap] = [index, from - before];
  }
  const [first, second] = [spans[best - 1], spans[best]];
  if (first !== undefined && second !== undefined) spans.splice(best - 1, 2, [first[0], second[1]]);
}
