import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/model/json.ts';
import { plainFromAnyValue, plainFromKeyValues } from '../../src/model/otlp.ts';
import { MAIN } from '../support/built.ts';
import { afterTest } from '../support/current-test.ts';

export type Env = Readonly<Record<string, string>>;

export interface RunOptions {
  /** Working directory, and home; the log directory is `logs` in it. */
  readonly cwd: string;
  readonly env?: Env;
  /** Standard input; none when left out. */
  readonly input?: string | Buffer;
}

export interface Run {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the built package as a process, without the environment of this machine except PATH. */
export function runCommand(args: readonly string[], options: RunOptions): Promise<Run> {
  return startCommand(args, options).ended;
}

export function startCommand(
  args: readonly string[],
  { cwd, env, input }: RunOptions,
): { readonly child: ChildProcess; readonly ended: Promise<Run> } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, TASK_LOGS_DIR: join(cwd, 'logs'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece;
  });
  // The command may end before it has read its input.
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);
  const ended = new Promise<Run>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

/** A new directory, removed when the test is over. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-cli-'));
  afterTest(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A record of the journal with its values plain. */
export interface JournalRecord {
  readonly eventName: string;
  readonly body: JsonValue;
  readonly attributes: Readonly<Record<string, JsonValue>>;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
}

/** The records that wait in the journal, oldest first. */
export function journalRecords(cwd: string): JournalRecord[] {
  return segmentsOf(cwd).flatMap((text) =>
    text.split('\n').flatMap((line) => (line.startsWith('L') ? recordOf(JSON.parse(line.slice(1))) : [])),
  );
}

/** Texts of the segments, oldest first. */
export function segmentsOf(cwd: string): string[] {
  const journal = join(cwd, 'logs', '_journal');
  return namesIn(journal)
    .filter((name) => name.endsWith('.closed'))
    .sort()
    .map((name) => readFileSync(join(journal, name), 'utf8'));
}

export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    // ENOENT: no process has written there.
    return [];
  }
}

function recordOf(value: unknown): JournalRecord {
  const record: JsonObject = isJsonObject(value) ? value : {};
  return {
    eventName: String(record.eventName),
    body: plainFromAnyValue(record.body as Parameters<typeof plainFromAnyValue>[0]),
    attributes: plainFromKeyValues(record.attributes as unknown as Parameters<typeof plainFromKeyValues>[0]),
    traceId: record.traceId as string | undefined,
    spanId: record.spanId as string | undefined,
  };
}
