import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type Json = Readonly<Record<string, unknown>>;

/** A file of lines: those that are JSON, and how many are not. */
export interface Lines {
  readonly lines: readonly Json[];
  readonly bad: number;
}

export interface TaskEvidence {
  readonly metadata: Json | undefined;
  readonly input: Json | undefined;
  readonly result: Json | undefined;
  readonly flow: Lines;
  readonly output: Lines;
  /** Empty where services keep no files. */
  readonly facts: Lines;
  readonly trace: Lines;
  /** All files as text. */
  readonly text: string;
}

export interface WorkflowEvidence {
  readonly events: Lines;
  readonly document: Json | undefined;
  readonly text: string;
}

/** What stands in a log directory, read as plain files. */
export interface Evidence {
  /** Whether it was read as files. Answers of REST have no facts. */
  readonly isFiles: boolean;
  readonly tasks: ReadonlyMap<string, TaskEvidence>;
  readonly workflows: ReadonlyMap<string, WorkflowEvidence>;
  readonly deliveries: Lines;
  /** Names of files that show unfinished work: segments of the journal, entries of the queue. */
  readonly segments: readonly string[];
  readonly queued: readonly string[];
}

export function readEvidence(logDir: string): Evidence {
  return {
    isFiles: true,
    tasks: new Map(tasksIn(logDir).map((id) => [id, readTask(join(logDir, id))])),
    workflows: readWorkflows(join(logDir, '_workflow')),
    deliveries: joined(
      namesIn(join(logDir, '_webhooks'))
        .filter((name) => name.endsWith('.jsonl'))
        .map((name) => readLines(join(logDir, '_webhooks', name))),
    ),
    segments: namesIn(join(logDir, '_journal')),
    queued: queuedIn(logDir),
  };
}

/** Tasks without an end, and entries of the queue. It reads no more than it needs. */
export function openWork(logDir: string): readonly string[] {
  const isOpen = (id: string): boolean => {
    const status = readDocument(join(logDir, id, 'metadata.json'))?.status;
    return /^(?:queued|running|waiting_input)$/.test(String(status));
  };
  return [...queuedIn(logDir), ...tasksIn(logDir).filter(isOpen)];
}

function tasksIn(logDir: string): readonly string[] {
  return namesIn(logDir).filter(
    (name) => !name.startsWith('_') && statSync(join(logDir, name)).isDirectory(),
  );
}

function queuedIn(logDir: string): readonly string[] {
  return namesIn(join(logDir, '_queue')).filter((name) => /^[^_].*\.json$/.test(name));
}

function readTask(directory: string): TaskEvidence {
  const lines = (name: string): Lines => readLines(join(directory, name));
  return {
    metadata: readDocument(join(directory, 'metadata.json')),
    input: readDocument(join(directory, '01-input.json')),
    result: readDocument(join(directory, '04-final-result.json')),
    flow: lines('02-webhook-flow.jsonl'),
    output: lines('03-agent-output.jsonl'),
    facts: lines('facts.jsonl'),
    trace: lines('trace.jsonl'),
    text: namesIn(directory)
      .map((name) => readText(join(directory, name)) ?? '')
      .join('\n'),
  };
}

function readWorkflows(directory: string): ReadonlyMap<string, WorkflowEvidence> {
  const found = new Map<string, WorkflowEvidence>();
  for (const year of namesIn(directory).filter((name) => /^\d{4}$/.test(name))) {
    for (const month of namesIn(join(directory, year))) {
      const folder = join(directory, year, month);
      for (const name of namesIn(folder)) {
        if (!name.endsWith('.jsonl') || name.endsWith('.trace.jsonl')) continue;
        const id = name.slice(0, -'.jsonl'.length);
        const events = readLines(join(folder, name));
        const document = readDocument(join(folder, `${id}.json`));
        const text = `${readText(join(folder, name)) ?? ''}${readText(join(folder, `${id}.json`)) ?? ''}`;
        found.set(id, { events, document, text });
      }
    }
  }
  return found;
}

export function readLines(path: string): Lines {
  const lines: Json[] = [];
  let bad = 0;
  for (const line of (readText(path) ?? '').split('\n')) {
    if (line === '') continue;
    const parsed = parse(line);
    if (parsed === undefined) bad += 1;
    else lines.push(parsed);
  }
  return { lines, bad };
}

function joined(parts: readonly Lines[]): Lines {
  return { lines: parts.flatMap(({ lines }) => lines), bad: parts.reduce((sum, { bad }) => sum + bad, 0) };
}

function readDocument(path: string): Json | undefined {
  const text = readText(path);
  return text === undefined ? undefined : (parse(text) ?? { unreadable: path });
}

function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    // ENOENT: nothing was written there.
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // ENOENT, or a folder.
    return undefined;
  }
}
