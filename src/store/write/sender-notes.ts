import type { Books } from '../../books.ts';
import type { Sender } from '../../model/sender.ts';
import { safeName } from '../../redact/log-line.ts';

/** Says what is wrong with the records of a sender, where the user of the service sees it. */
export class SenderNotes {
  readonly #books: Books;
  readonly #log: (line: string) => void;

  constructor(books: Books, log: (line: string) => void) {
    this.#books = books;
    this.#log = log;
  }

  /** A record of this service names no task, workflow or delivery. */
  unattributed(serviceName: string): void {
    const service = safeName(serviceName);
    if (!this.#books.countUnattributed(service)) return;
    this.#log(
      `service ${JSON.stringify(service)} sends records that name no task. Set tasktrail.task.id on them, or start ` +
        'the program with OTEL_RESOURCE_ATTRIBUTES=tasktrail.task.id=<task id>',
    );
  }

  /** Reasons of refused records, by their place in the batch. Those of the trail are in the answer alone. */
  refused({ kind }: Sender, reasons: ReadonlyMap<number, string>): void {
    const [reason] = reasons.values();
    if (reason === undefined || kind === 'trail') return;
    const sender = kind === 'agent' ? 'an agent' : 'a sender without a token';
    this.#books.setNotice('refused records', `the last of ${sender}: ${reason}`);
  }
}
