import type { Books } from '../../../books.ts';
import type { Sender } from '../../../model/sender.ts';
import { safeName } from '../../../redact/log-line.ts';

/** Says what is wrong with the records of a sender, where the user of the service sees it. */
export class SenderNotes {
  readonly #books: Books;
  readonly #log: (line: string) => void;
  readonly #refused = { agent: 0, anonymous: 0 };

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

  /** Reasons of refused records, by their place in the batch. The processes of the trail name theirs themselves. */
  refused({ kind }: Sender, reasons: ReadonlyMap<number, string>): void {
    const [reason] = reasons.values();
    if (reason === undefined || kind === 'trail') return;
    this.#refused[kind] += reasons.size;
    const { agent, anonymous } = this.#refused;
    const counts = [
      ...(agent > 0 ? [`${agent} from agents`] : []),
      ...(anonymous > 0 ? [`${anonymous} from programs that send no token`] : []),
    ];
    const sender = kind === 'agent' ? 'an agent' : 'a program without a token';
    this.#books.setNotice(
      'refused records',
      `not stored since the start: ${counts.join(', ')}. The last refusal was to ${sender}: ${reason}`,
    );
  }
}
