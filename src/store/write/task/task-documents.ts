import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EVENT } from '../../../model/events.ts';
import { type JsonObject, parseObject } from '../../../model/json.ts';
import type { FactLine } from '../../../project/change.ts';
import { redactJson } from '../../../redact/redact.ts';
import { readText, replaceFiles } from '../../../system/durable.ts';
import { checkLease } from '../../../system/lease-guard.ts';
import { TASK_FILES } from '../../layout.ts';
import { notify, type StoreObserver } from '../observer.ts';
import { isSameDocument, setAside } from '../set-aside.ts';
import { DROPPED_SPANS } from './foreign-spans.ts';
import { type Said, saidInMetadata, saidInResult } from './said.ts';
import { ReportedEnd } from './task-end.ts';

/** In the order of writing: a reader that sees `completed` finds `04-final-result.json`. */
const DOCUMENTS = ['input', 'finalResult', 'metadata'] as const;
type DocumentName = (typeof DOCUMENTS)[number];

/** Documents that a task has only when a record says so. */
const OPTIONAL = [
  ['input', EVENT.input],
  ['finalResult', EVENT.result],
] as const;

/** The documents of one task as they are on disk. */
export class TaskDocuments {
  readonly #dir: string;
  readonly #observer: StoreObserver | undefined;
  readonly #written = new Map<DocumentName, string>();
  /** What an earlier process wrote and the files no longer give. Undefined until the first write. */
  #said: ReadonlyMap<DocumentName, Said> | undefined;
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
   * Writes those that have changed; what they said before and nothing else says is kept. Removes one that only an anonymous sender gave, before another sender opened the task.
   */
  async write(
    documents: Readonly<Record<DocumentName, object | undefined>>,
    { isIgnored, stated }: WriteOptions,
  ): Promise<void> {
    this.#said ??= this.#heard(documents, stated);
    for (const [document, event] of OPTIONAL) {
      if (documents[document] !== undefined || !this.has(document) || !isIgnored(event)) continue;
      checkLease();
      await rm(join(this.#dir, TASK_FILES[document]), { force: true });
      this.#written.delete(document);
    }
    const changed = DOCUMENTS.flatMap((name) => {
      const folded = documents[name];
      const document = folded && (this.#said?.get(name)?.(folded as JsonObject) ?? folded);
      const text = document && `${redactJson(JSON.stringify(document))}\n`;
      return text === undefined || isSameDocument(text, this.#written.get(name)) ? [] : [{ name, text }];
    });
    if (changed.length === 0) return;
    const files = changed.map(({ name, text }) => ({ name: TASK_FILES[name], content: text }));
    for (const { name, text } of changed)
      await setAside(join(this.#dir, TASK_FILES[name]), this.#written.get(name), text);
    await replaceFiles(this.#dir, files);
    for (const { name, text } of changed) this.#written.set(name, text);
    this.#reportEnd();
  }

  /** New facts of the task, whose documents are written. */
  reportFacts(taskId: string, facts: Iterable<FactLine>): void {
    if (this.#observer?.metadataStored === undefined) return;
    for (const { event, body } of facts)
      if (event === EVENT.metadata && body !== undefined)
        notify(this.#observer, (observer) => observer.metadataStored?.(taskId, body));
  }

  #heard(
    { metadata, finalResult }: Readonly<Record<DocumentName, object | undefined>>,
    stated: object | undefined,
  ): ReadonlyMap<DocumentName, Said> {
    const said = new Map<DocumentName, Said>();
    const [before, result] = [this.read('metadata'), this.read('finalResult')];
    const now = (metadata ?? {}) as JsonObject;
    // An anonymous sender has opened it before, and what it has said no longer counts.
    if (before?.opened_by !== undefined && before.opened_by !== now.opened_by) return said;
    const more = before && saidInMetadata(before, now);
    if (more !== undefined) said.set('metadata', more);
    if (result === undefined || finalResult === undefined) return said;
    const lost = saidInResult(result, finalResult as JsonObject, stated as JsonObject | undefined);
    if (lost !== undefined) said.set('finalResult', lost);
    return said;
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

interface WriteOptions {
  /** Whether a record of this kind no longer counts. */
  isIgnored(event: string): boolean;
  /** The result as its fact states it. Undefined: amounts of the result on disk may come from spans that were lost. */
  readonly stated: object | undefined;
}

/** Dropped spans are in no record: the metadata of an earlier process is the only source. */
export function droppedSpansOf({ [DROPPED_SPANS]: count }: JsonObject): number {
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0;
}
