import { LRUCache } from 'lru-cache';
import { EVENT } from '../../model/events.ts';
import { isoFromMs, readIso } from '../../model/time.ts';
import type { FactLine } from '../../project/change.ts';
import { type NewLine, placeOf } from '../rows.ts';

/** Tasks of which this process has stored a mark. */
const KNOWN_MAX = 50_000;

/** The earliest times of a task that one sender has given, in milliseconds. */
interface Times {
  readonly first: number;
  readonly created: number;
}

const NO_TIME = Number.POSITIVE_INFINITY;

/**
 * Marks of tasks: small rows that lists are made from, so that these do not read all lines. A process writes one when it first
 * has something of a task and a sender, and when it has an earlier time.
 */
export class TaskMarks {
  readonly #known = new LRUCache<string, Times>({ max: KNOWN_MAX });

  /** For the lines of a task in one batch. */
  open(taskId: string): MarkedTask {
    return new MarkedTask(taskId, this.#known);
  }
}

/** When a fact says that its task was made. Milliseconds. */
export function createdIn({ event, sender, body }: FactLine): number | undefined {
  if (event !== EVENT.metadata || sender === 'agent') return undefined;
  const created = readIso(body?.created_at);
  return created === undefined ? undefined : placeOf(created);
}

export class MarkedTask {
  readonly #taskId: string;
  readonly #known: LRUCache<string, Times>;
  readonly #seen = new Map<NewLine['sender'], Times>();

  constructor(taskId: string, known: LRUCache<string, Times>) {
    this.#taskId = taskId;
    this.#known = known;
  }

  /** A line that is to be stored. `created`: when it says that the task was made. */
  see({ timestamp, sender }: NewLine, created: number | undefined): void {
    const at = placeOf(timestamp);
    const times = { first: at > 0 ? at : NO_TIME, created: created ?? NO_TIME };
    this.#seen.set(sender, earliest(this.#seen.get(sender), times));
  }

  /** The marks to store with the lines. */
  marks(): readonly NewLine[] {
    const marks: NewLine[] = [];
    for (const [sender, times] of this.#seen) {
      const known = this.#known.get(this.#keyOf(sender));
      if (known !== undefined && times.first >= known.first && times.created >= known.created) continue;
      marks.push(this.#markOf(sender, times));
    }
    return marks;
  }

  /** VictoriaLogs has the marks. */
  stored(): void {
    for (const [sender, times] of this.#seen) {
      const key = this.#keyOf(sender);
      this.#known.set(key, earliest(this.#known.get(key), times));
    }
  }

  #keyOf(sender: NewLine['sender']): string {
    return `${this.#taskId} ${sender}`;
  }

  #markOf(sender: NewLine['sender'], { first, created }: Times): NewLine {
    const timestamp = first === NO_TIME ? '' : isoFromMs(first);
    const fields = {
      ...(first !== NO_TIME && { first: String(first) }),
      ...(created !== NO_TIME && { created: String(created) }),
    };
    return { kind: 'task', unit: this.#taskId, id: this.#taskId, timestamp, sender, text: '', fields };
  }
}

function earliest(a: Times | undefined, b: Times): Times {
  if (a === undefined) return b;
  return { first: Math.min(a.first, b.first), created: Math.min(a.created, b.created) };
}
