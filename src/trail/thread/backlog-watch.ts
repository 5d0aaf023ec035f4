/** Interval of looks. */
const LOOK_MS = 1_000;

/** Records that are made all the time are behind for moments. From here on it is a backlog. */
const BEHIND_MS = 10_000;

/** A stopped process of this host may keep its backlog for ever: tasks are not kept open for it any longer. */
const BEHIND_MS_MAX = 600_000;

export interface BacklogWatchOptions {
  /** Whether everything that is to be stored is stored at this moment. */
  isThrough(): Promise<boolean>;
  readonly lookMs?: number;
  readonly nowMs?: () => number;
}

/** Knows whether records wait longer than they do with a busy sender: then silence says nothing about a task. */
export class BacklogWatch {
  readonly #options: BacklogWatchOptions;
  readonly #nowMs: () => number;
  readonly #timer: NodeJS.Timeout;
  /** When everything was stored last. Undefined until the backlog of earlier processes is. */
  #throughAtMs: number | undefined;
  readonly #startedAtMs: number;
  #isLooking = false;

  constructor(options: BacklogWatchOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#startedAtMs = this.#nowMs();
    this.#timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS).unref();
  }

  get isBehind(): boolean {
    const limitMs = this.#throughAtMs === undefined ? 0 : BEHIND_MS;
    const behindMs = this.#nowMs() - (this.#throughAtMs ?? this.#startedAtMs);
    return behindMs >= limitMs && behindMs < BEHIND_MS_MAX;
  }

  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      if (await this.#options.isThrough()) this.#throughAtMs = this.#nowMs();
    } catch {
      // EMFILE: the next look asks again.
    } finally {
      this.#isLooking = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
