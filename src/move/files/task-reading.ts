import { isNewer } from '../../model/documents.ts';
import { type JsonObject, parseJson, parseObject } from '../../model/json.ts';
import { isMark } from '../../model/sender.ts';
import { isoFromMs } from '../../model/time.ts';
import type { FactLine } from '../../project/change.ts';
import { TaskFold } from '../../project/fold.ts';
import { lostFacts } from '../../project/witness.ts';
import { readTaskDocument } from '../../store/task-file.ts';
import { isFactLine } from '../../store/write/lines/fact-line.ts';
import { recordLine } from '../../store/write/lines/line-limit.ts';
import { ownerOf } from '../../store/write/task/task-owner.ts';
import { TaskTelemetry } from '../../store/write/task/task-telemetry.ts';
import type { NewLine } from '../../warehouse/rows.ts';
import { storedLine } from '../../warehouse/write/stored-lines.ts';

/** Time of records that came without one. */
const EPOCH = isoFromMs(0);

/** The documents of a task; undefined for one that is missing or damaged. */
export interface TaskDocuments {
  readonly metadata: JsonObject | undefined;
  readonly input: JsonObject | undefined;
  readonly result: JsonObject | undefined;
}

export async function readDocuments(logDir: string, taskId: string): Promise<TaskDocuments> {
  const read = (file: 'metadata' | 'input' | 'finalResult'): Promise<JsonObject | undefined> =>
    readTaskDocument(logDir, taskId, file).catch(() => undefined);
  const [metadata, input, result] = await Promise.all([read('metadata'), read('input'), read('finalResult')]);
  return { metadata, input, result };
}

/** Whether a newer version has written them: it knows fields that this one would lose. */
export function areNewer({ metadata, input, result }: TaskDocuments): boolean {
  return [metadata, input, result].some((document) => document !== undefined && isNewer(document));
}

/** What the lines of a task say, beside its documents. */
export class TaskReading {
  readonly telemetry: TaskTelemetry = new TaskTelemetry();
  readonly #id: string;
  readonly #documents: TaskDocuments;
  readonly #facts: FactLine[] = [];
  #first: string | null = null;
  #hasLines = false;

  constructor(id: string, documents: TaskDocuments) {
    this.#id = id;
    this.#documents = documents;
  }

  /** Takes a line of the task. */
  add({ kind, timestamp, text }: NewLine): void {
    this.#hasLines = true;
    if (timestamp > EPOCH && (this.#first === null || timestamp < this.#first)) this.#first = timestamp;
    if (kind === 'output') this.telemetry.readLine(parseObject(text));
    else if (kind === 'span') this.telemetry.readSpan(parseObject(text));
    else if (kind === 'fact') {
      const fact = parseJson(text);
      if (isFactLine(fact)) this.#facts.push(fact);
    }
  }

  /** The lines of facts that only the documents say, as files of older versions have them, and those that a crash has cut. */
  witnesses(): readonly NewLine[] {
    const { metadata, input, result } = this.#documents;
    if (metadata === undefined && input === undefined && result === undefined) return [];
    const owner = ownerOf({ facts: this.#facts, metadata, hasLines: this.#hasLines });
    const fold = new TaskFold(this.#id);
    for (const fact of this.#facts) fold.add(fact);
    if (owner !== 'anonymous') {
      fold.claim();
      this.telemetry.claim();
    }
    const folded = this.telemetry.complete(fold.metadata(this.#first), fold.result());
    const facts = lostFacts({
      ...{ taskId: this.#id, facts: this.#facts, stored: { metadata, input, result } },
      folded: {
        metadata: folded.metadata as unknown as JsonObject,
        input: fold.input() as JsonObject | undefined,
      },
      sender: isMark(owner) ? owner : undefined,
    });
    return facts.flatMap((fact, index) => {
      // Each needs an id of its own, which sorts before those of records, and a time.
      const id = `-${fact.event}-${index}`;
      const stored = recordLine({ ...fact, event_id: id, timestamp: fact.timestamp || EPOCH });
      const line = stored && storedLine('fact', this.#id, stored.text);
      return line === undefined ? [] : [line];
    });
  }
}
