import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../model/json.ts';
import { makeDirectory, readText } from '../system/durable.ts';
import { namesIn } from '../system/files/optional-files.ts';
import { makePrivateDirectory, replacePrivateFile } from '../system/files/private-files.ts';
import { checkFolders } from '../system/files/real-folders.ts';
import type { ProcessIdentity } from '../system/process-identity.ts';
import { OWN_NAMES } from './layout.ts';

/** The configuration files with which a service was started. */
export interface AcceptedFiles {
  /** The directory of the service. */
  readonly directory: string;
  readonly accepted_at_ms: number;
  /** SHA-256 by path; null: no file. */
  readonly files: Readonly<Record<string, string | null>>;
}

/** When a process had agents, and where they worked. */
export interface AgentRuns {
  readonly process: ProcessIdentity;
  /** The log directory that has the runs of its agents. */
  readonly log_dir: string;
  /** Links resolved. */
  readonly directories: readonly string[];
  /** Milliseconds since the epoch; null: an agent runs, or ran when the process was killed. */
  readonly spans: readonly (readonly [fromMs: number, toMs: number | null])[];
}

const acceptedSchema: z.ZodType<AcceptedFiles> = z.object({
  directory: z.string(),
  accepted_at_ms: z.number(),
  files: z.record(z.string(), z.string().nullable()),
});

const runsSchema: z.ZodType<AgentRuns> = z.object({
  process: z.object({ host: z.string(), pid: z.number(), start: z.string() }),
  log_dir: z.string(),
  directories: z.array(z.string()),
  spans: z.array(z.tuple([z.number(), z.number().nullable()])),
});

const ACCEPTED = /^service-[0-9a-f]{16}\.json$/;
const RUNS = /^agents-[\w.-]+\.json$/;

/** What is remembered about configuration files, in `_config` of a log directory. */
export class ConfigMemory {
  readonly #logDir: string;
  readonly #folder: string;

  constructor(logDir: string) {
    this.#logDir = logDir;
    this.#folder = join(logDir, OWN_NAMES.config);
  }

  /** Undefined: no service was started in this directory before. A damaged file counts as one without files. */
  async readAccepted(directory: string): Promise<AcceptedFiles | undefined> {
    this.#checkFolder();
    const text = await readText(this.#pathOf(directory));
    if (text === undefined) return undefined;
    const parsed = acceptedSchema.safeParse(parseJson(text));
    return parsed.data ?? { directory, accepted_at_ms: 0, files: {} };
  }

  async writeAccepted(accepted: AcceptedFiles): Promise<void> {
    await this.#makeFolder();
    await replacePrivateFile(this.#pathOf(accepted.directory), `${JSON.stringify(accepted)}\n`);
  }

  async writeRuns(name: string, runs: AgentRuns): Promise<void> {
    await this.#makeFolder();
    await replacePrivateFile(join(this.#folder, name), `${JSON.stringify(runs)}\n`);
  }

  async listRuns(): Promise<readonly { readonly name: string; readonly runs: AgentRuns }[]> {
    this.#checkFolder();
    const found: { name: string; runs: AgentRuns }[] = [];
    for (const name of (await namesIn(this.#folder)).filter((one) => RUNS.test(one))) {
      const runs = await this.readRuns(name);
      if (runs !== undefined) found.push({ name, runs });
    }
    return found;
  }

  /** Undefined as well for a damaged file. */
  async readRuns(name: string): Promise<AgentRuns | undefined> {
    this.#checkFolder();
    const text = await readText(join(this.#folder, name));
    return runsSchema.safeParse(parseJson(text ?? '')).data;
  }

  /** Removes the times of processes that have ended, when every service was started after them. */
  async forgetRuns(isAlive: (owner: AgentRuns['process']) => boolean): Promise<void> {
    this.#checkFolder();
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const name of (await namesIn(this.#folder)).filter((one) => ACCEPTED.test(one))) {
      const parsed = acceptedSchema.safeParse(parseJson((await readText(join(this.#folder, name))) ?? ''));
      oldestMs = Math.min(oldestMs, parsed.data?.accepted_at_ms ?? 0);
    }
    for (const { name, runs } of await this.listRuns()) {
      const isOver = runs.spans.every(([, toMs]) => toMs !== null && toMs < oldestMs);
      if (isOver && !isAlive(runs.process)) await rm(join(this.#folder, name), { force: true });
    }
  }

  async #makeFolder(): Promise<void> {
    await makeDirectory(this.#logDir);
    await makePrivateDirectory(this.#folder);
  }

  /** What lies behind a link is not believed, and nothing there is removed. */
  #checkFolder(): void {
    checkFolders(this.#folder, 1);
  }

  #pathOf(directory: string): string {
    const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
    return join(this.#folder, `service-${name}.json`);
  }
}
