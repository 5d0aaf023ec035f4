import { randomUUID } from 'node:crypto';
import type { RedisLink } from './redis-link.ts';

/** How soon an emptied Redis is noticed. */
const CHECK_MS = 5_000;

/** Longer than a process is suspended as a rule: a key that expires in that time would look like an emptied Redis. */
const EXPIRY_SECONDS = 300;

export interface FlushDetectorParts {
  readonly link: RedisLink;
  readonly toKey: (type: string) => string;
  onFlush(): void;
}

/** Detects that Redis was emptied (`FLUSHALL`) while its connections stay: a key that this process keeps alive is gone. */
export class FlushDetector {
  readonly #parts: FlushDetectorParts;
  readonly #key: string;
  readonly #timer: NodeJS.Timeout;
  #isSet = false;

  constructor(parts: FlushDetectorParts) {
    this.#parts = parts;
    this.#key = parts.toKey(`seal:${randomUUID()}`);
    this.#timer = setInterval(() => void this.#check(), CHECK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    const { link, onFlush } = this.#parts;
    try {
      const before = await link.ask(() => link.client.set(this.#key, '1', 'EX', EXPIRY_SECONDS, 'GET'));
      const wasSet = this.#isSet;
      this.#isSet = true;
      if (wasSet && before === null) onFlush();
    } catch {
      // ERR_QUEUE_UNAVAILABLE: the listeners of a reconnect do the same. Redis before 6.2 has no `SET` with `GET`.
    }
  }
}
