import { follow } from '../data/live.ts';

export const RUN_EVENTS = ['metadata', 'stage', 'line', 'span', 'result', 'end', 'reset'] as const;
export type RunEvent = (typeof RUN_EVENTS)[number];

type Handle = (data: unknown) => void;

/** What happens in a run from now on: the one stream of the tab, for all parts of the view. */
export class RunEvents {
  readonly #handles = new Map<RunEvent, Set<Handle>>();
  readonly #stop: () => void;
  #hasEnded = false;
  #isSettled = false;

  constructor(taskId: string) {
    const handlers = Object.fromEntries(
      RUN_EVENTS.map((event) => [event, (data: unknown) => this.#handle(event, data)]),
    );
    this.#stop = follow(`/tasks/${encodeURIComponent(taskId)}/stream`, { after: 'now' }, handlers);
  }

  /** Returns what ends it. */
  on(event: RunEvent, handle: Handle): () => void {
    const handles = this.#handles.get(event) ?? new Set();
    this.#handles.set(event, handles.add(handle));
    return () => void handles.delete(handle);
  }

  close(): void {
    this.#stop();
  }

  #handle(event: RunEvent, data: unknown): void {
    const { settled } = Object(data) as { readonly settled?: unknown };
    if (event === 'end') this.#hasEnded = true;
    else if (event === 'metadata') {
      this.#isSettled = settled === true;
      // It runs again.
      if (!this.#isSettled) this.#hasEnded = false;
    }
    for (const handle of this.#handles.get(event) ?? []) handle(data);
    // Nothing more is expected: the server closes the stream.
    if (this.#isSettled && this.#hasEnded) this.close();
  }
}
