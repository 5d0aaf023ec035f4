import { batch, signal } from '@preact/signals';
import type { FinalResult, Span, StageLine, Task, TaskInput } from '../../../client/api/shapes.ts';
import { type ApiError, read } from '../data/api.ts';
import { follow } from '../data/live.ts';
import { asApiError } from '../data/resource.ts';

/** Spans that come in one frame are drawn together: the more there are, the longer it takes to put them in order. */
const FRAME_MS = 150;
const SPANS_A_MS = 50;

/** A run that ended so long ago was over, and its lines were in their last order, before the page asked for them. */
const LONG_OVER_MS = 60_000;

/** What the lines of the output receive from the stream. */
export interface LineNews {
  /** There are new lines. */
  line(): void;
  /** The lines may have changed otherwise: they are read again. */
  again(): void;
}

/** What is known of a run, and what comes while the page is open. The lines of its output are the transcript's. */
export class RunState {
  /** Below the API. An id of the address bar may have any character. */
  readonly #path: string;
  readonly task = signal<Task | undefined>(undefined);
  readonly input = signal<TaskInput | undefined>(undefined);
  readonly result = signal<FinalResult | undefined>(undefined);
  readonly stages = signal<readonly StageLine[]>([]);
  readonly spans = signal<readonly Span[]>([]);
  readonly error = signal<ApiError | undefined>(undefined);
  readonly #abort = new AbortController();
  #known = new Map<string, Span>();
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop: (() => void) | undefined;

  constructor(id: string) {
    this.#path = `/tasks/${encodeURIComponent(id)}`;
  }

  /** Follows the run first, so that nothing is missed between both. The result comes from the stream. */
  open({ line, again }: LineNews): void {
    const openedMs = Date.now();
    let isFirst = true;
    this.#stop = follow(
      `${this.#path}/stream`,
      { after: 'now' },
      {
        metadata: () => {
          void this.#readTask();
          // What came before the stream was open.
          if (isFirst) line();
          isFirst = false;
          // A task that was made this moment has none yet.
          if (this.input.value === undefined) void this.#readInput();
        },
        result: (data) => {
          this.result.value = data as FinalResult;
        },
        stage: (data) => this.#addStage(data as StageLine),
        span: (data) => this.#addSpan(data as Span),
        line,
        reset: () => {
          this.#known.clear();
          void this.load();
          again();
        },
        end: () =>
          void this.#readTask().then(() => {
            const { settled, completed_at: at } = this.task.value ?? {};
            const isLongOver = settled === true && Date.parse(String(at)) < openedMs - LONG_OVER_MS;
            if (!isLongOver) again();
          }),
      },
    );
    void this.load();
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#stop?.();
  }

  /** What cannot be read stays as it is. */
  async load(): Promise<void> {
    await this.#readTask();
    const [stages, spans] = await Promise.all([
      this.#read<readonly StageLine[]>('logs/webhook-flow'),
      this.#read<readonly Span[]>('trace'),
      this.#readInput(),
    ]);
    for (const span of spans ?? []) this.#known.set(span.span_id, span);
    batch(() => {
      if (stages !== undefined) this.stages.value = stages;
      this.spans.value = [...this.#known.values()];
    });
  }

  async #readInput(): Promise<void> {
    this.input.value = (await this.#read<TaskInput>('logs/input')) ?? this.input.value;
  }

  #read<T>(part: string): Promise<T | undefined> {
    return read<T>(`${this.#path}/${part}`, {}, this.#abort.signal).catch(() => undefined);
  }

  /** Reads it once more when that is asked for meanwhile. */
  async #readTask(): Promise<void> {
    this.#readAgain = this.#reading !== undefined;
    this.#reading ??= (async () => {
      do {
        this.#readAgain = false;
        await this.#readTaskOnce();
      } while (this.#readAgain);
      this.#reading = undefined;
    })();
    return this.#reading;
  }

  async #readTaskOnce(): Promise<void> {
    try {
      const task = await read<Task>(this.#path, {}, this.#abort.signal);
      batch(() => {
        this.task.value = task;
        this.error.value = undefined;
      });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.error.value = asApiError(error);
    }
  }

  #addStage(stage: StageLine): void {
    const isKnown = this.stages.value.some((one) => one.event_id === stage.event_id);
    if (!isKnown) this.stages.value = [...this.stages.value, stage];
  }

  #addSpan(span: Span): void {
    this.#known.set(span.span_id, span);
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.spans.value = [...this.#known.values()];
      },
      FRAME_MS + this.#known.size / SPANS_A_MS,
    );
  }
}
