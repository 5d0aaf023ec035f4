/** What a transcript gets from the one stream of the tab, which belongs to the whole view of the run. */
interface LineHandlers {
  /** There are new lines. */
  line(): void;
  /** The lines may have changed otherwise: they are read again. */
  again(): void;
}

/** Hands the news of a run's lines from the stream to the transcript. */
export class LiveLines {
  readonly #handlers = new Set<LineHandlers>();

  line(): void {
    for (const { line } of this.#handlers) line();
  }

  again(): void {
    for (const { again } of this.#handlers) again();
  }

  /** Returns what ends it. */
  follow(handlers: LineHandlers): () => void {
    this.#handlers.add(handlers);
    return () => void this.#handlers.delete(handlers);
  }
}
