/** Interval of looks. */
const LOOK_MS = 1_000;

/** A busy store is behind by moments. From here on it is a backlog. */
const BEHIND_MS = 10_000;

/** A stopped process of this host may keep its backlog for ever: tasks are not kept open for it any longer. */
const BEHIND_MS_MAX = 600_000;

export interface BacklogWatchOptions<Extent> {
  /** What waits or is stored at this moment; undefined while more is still looked for. */
  extent(): Promise<Extent | undefined>;
  /** Whether all of that is stored. */
  isStored(extent: Extent): Promise<boolean>;
  readonly lookMs?: number;
  readonly nowMs?: () => number;
}

/**
 * Knows whether records wait to be stored that are older than those of a busy sender: then silence says nothing about a task.
 * Records that come all the time do not count: at each moment some of them wait.
 */
export class BacklogWatch<Extent> {
  readonly #options: BacklogWatchOptions<Extent>;
  readonly #nowMs: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #startedAtMs: number;
  /** Everything from before is stored. Undefined until the backlog of earlier processes is. */
  #throughToMs: number | undefined;
  #mark: { readonly atMs: number; readonly extent: Extent } | undefined;
  #isLooking = false;

  constructor(options: BacklogWatchOptions<Extent>) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#startedAtMs = this.#nowMs();
    this.#timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS).unref();
  }

  get isBehind(): boolean {
    const limitMs = this.#throughToMs === undefined ? 0 : BEHIND_MS;
    const behindMs = this.#nowMs() - (this.#throughToMs ?? this.#startedAtMs);
    return behindMs >= limitMs && behindMs < BEHIND_MS_MAX;
  }

  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#compare();
    } catch {
      // EMFILE: the next look asks again.
    } finally {
      this.#isLooking = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #compare(): Promise<void> {
    this.#mark ??= await this.#take();
    if (this.#mark === undefined || !(await this.#options.isStored(this.#mark.extent))) return;
    this.#throughToMs = this.#mark.atMs;
    this.#mark = await this.#take();
  }

  async #take(): Promise<{ readonly atMs: number; readonly extent: Extent } | undefined> {
    const atMs = this.#nowMs();
    const extent = await this.#options.extent();
    return extent && { atMs, extent };
  }
}
