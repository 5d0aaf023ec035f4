import type { Books } from '../../books.ts';
import { NOT_PERMITTED } from './batch/admission.ts';
import type { SortedBatch } from './batch/sorted-batch.ts';

/** What becomes of the changes that the store is given: received = stored + duplicates + rejected + passed, at each moment. */
export class Intake {
  readonly #books: Books;

  constructor(books: Books) {
    this.#books = books;
  }

  /** What a batch has beside changes for files. */
  sorted({ notPermitted, invalid, unattributed, nothing }: SortedBatch): void {
    this.refused(NOT_PERMITTED, notPermitted);
    // Not in `dropped`: it counts there as refused by the destination of its sender.
    this.rejected('invalid', invalid);
    this.passed('unattributed', unattributed);
    this.passed('nothing_to_store', nothing);
  }

  heartbeats(all: number, refused: number): void {
    this.refused(NOT_PERMITTED, refused);
    this.passed('heartbeat', all - refused);
  }

  /** Changes of a unit that was written, and how many of them it has refused. */
  written(received: number, fresh: number, refused: ReadonlyMap<string, number>): void {
    let taken = received;
    for (const [reason, count] of refused) {
      this.refused(reason, count);
      taken -= count;
    }
    this.#books.countReceived(taken, fresh, taken - fresh);
  }

  /** Changes that are dropped. */
  refused(reason: string, count: number): void {
    if (count === 0) return;
    this.#books.countDropped(reason, count);
    this.rejected(reason, count);
  }

  rejected(reason: string, count: number): void {
    if (count === 0) return;
    this.#books.countReceived(count);
    this.#books.countRejected(reason, count);
  }

  passed(kind: string, count: number): void {
    if (count > 0) this.#books.countPassed(kind, count);
  }
}
