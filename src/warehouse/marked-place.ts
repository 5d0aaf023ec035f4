import type { Sender } from '../model/sender.ts';
import { isoFromMs } from '../model/time.ts';
import type { Row } from './client.ts';

/** Where a task stands in the order of creation, by its marks. Plain numbers: a list has one for each task. */
export class MarkedPlace {
  readonly id: string;
  #isClaimed = false;
  /** The earliest times of creation that senders give, in milliseconds: those that anonymous ones give, and the others. */
  #created = Number.POSITIVE_INFINITY;
  #saidCreated = Number.POSITIVE_INFINITY;
  #first = Number.POSITIVE_INFINITY;
  /** When the last mark came. */
  #latest = 0;

  constructor(id: string) {
    this.id = id;
  }

  /** The marks of one sender: `first` and `created` the earliest of them, `latest` the time of the last one. */
  add({ sender, first, created, latest = '' }: Row): void {
    const createdMs = timeIn(created);
    if (kindOf(sender) === 'anonymous') this.#saidCreated = Math.min(this.#saidCreated, createdMs);
    else {
      this.#isClaimed = true;
      this.#created = Math.min(this.#created, createdMs);
    }
    this.#first = Math.min(this.#first, timeIn(first));
    this.#latest = Math.max(this.#latest, Date.parse(latest));
  }

  get latestMs(): number {
    return this.#latest;
  }

  /** ISO 8601; empty for none. */
  get at(): string {
    return Number.isFinite(this.ms) ? isoFromMs(this.ms) : '';
  }

  /**
   * Milliseconds; before all others for none. As the metadata gives it: what anonymous senders say counts only where no other sender has anything.
   */
  get ms(): number {
    const created = this.#isClaimed ? this.#created : this.#saidCreated;
    const at = Number.isFinite(created) ? created : this.#first;
    // Senders choose the time, and one of the future would stand first for ever.
    return Number.isFinite(at) ? Math.min(at, this.#latest) : Number.NEGATIVE_INFINITY;
  }
}

function timeIn(value: string | undefined): number {
  return value === undefined || value === '' ? Number.POSITIVE_INFINITY : Number(value);
}

export function kindOf(sender: string | undefined): Sender['kind'] {
  return sender === 'agent' || sender === 'anonymous' ? sender : 'trail';
}
