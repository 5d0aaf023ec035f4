import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EVENT } from '../../model/events.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { redactJson } from '../../redact/redact.ts';
import { readText, replaceFiles } from '../../system/durable.ts';
import { TASK_FILES } from '../layout.ts';
import { notify, type StoreObserver } from './observer.ts';
import { ReportedEnd } from './task-end.ts';

/** In the order of writing: a reader that sees `completed` finds `04-final-result.json`. */
const DOCUMENTS = ['input', 'finalResult', 'metadata'] as const;
type DocumentName = (typeof DOCUMENTS)[number];

/** Documents that a task has only when a record says so. */
const OPTIONAL = [
  ['input', EVENT.input],
  ['finalResult', EVENT.result],
] as const;

export const DROPPED_SPANS = 'dropped_spans';

/** The documents of one task as they are on disk. */
export class TaskDocuments {
  readonly #dir: string;
  readonly #observer: StoreObserver | undefined;
  readonly #written = new Map<DocumentName, string>();
  readonly #reportedEnd = new ReportedEnd();

  constructor(dir: string, observer: StoreObserver | undefined) {
    this.#dir = dir;
    this.#observer = observer;
  }

  /** Reads those of an earlier process. Their end counts as reported. */
  async load(): Promise<void> {
    for (const document of DOCUMENTS) {
      const text = await readText(join(this.#dir, TASK_FILES[document]));
      if (text !== undefined) this.#written.set(document, text);
    }
    this.#reportedEnd.markReported(this.#texts());
  }

  has(document: DocumentName): boolean {
    return this.#written.has(document);
  }

  /** Undefined when it is missing or damaged. */
  read(document: DocumentName): JsonObject | undefined {
    return parseObject(this.#written.get(document));
  }

  /**
   * Writes those that have changed. Removes one that only an anonymous sender gave, before another sender opened the task:
   * `isIgnored` says whether such a record no longer counts.
   */
  async write(
    documents: Readonly<Record<DocumentName, object | undefined>>,
    isIgnored: (event: string) => boolean,
  ): Promise<void> {
    for (const [document, event] of OPTIONAL) {
      if (documents[document] !== undefined || !this.has(document) || !isIgnored(event)) continue;
      await rm(join(this.#dir, TASK_FILES[document]), { force: true });
      this.#written.delete(document);
    }
    const changed = DOCUMENTS.flatMap((name) => {
      const document = documents[name];
      const text = document && `${redactJson(JSON.stringify(document))}\n`;
      return text === undefined || text === this.#written.get(name) ? [] : [{ name, text }];
    });
    if (changed.length === 0) return;
    const files = changed.map(({ name, text }) => ({ name: TASK_FILES[name], content: text }));
    await replaceFiles(this.#dir, files);
    for (const { name, text } of changed) this.#written.set(name, text);
    this.#reportEnd();
  }

  #reportEnd(): void {
    if (this.#observer === undefined) return;
    const end = this.#reportedEnd.report(this.#texts());
    if (end !== undefined) notify(this.#observer, (observer) => observer.taskEnded?.(end));
  }

  #texts(): { readonly metadata: string | undefined; readonly finalResult: string | undefined } {
    return { metadata: this.#written.get('metadata'), finalResult: this.#written.get('finalResult') };
  }
}

/** Dropped spans are in no record: the metadata of an earlier process is the only source. */
export function droppedSpansOf({ [DROPPED_SPANS]: count }: JsonObject): number {
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0;
}
