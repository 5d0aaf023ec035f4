import { batch, signal } from '@preact/signals';
import type { FinalResult, Span, StageLine, Task, TaskInput } from '../../../client/api/shapes.ts';
import { type ApiError, read } from '../data/api.ts';
import { follow } from '../data/live.ts';
import { asApiError } from '../data/resource.ts';

/** Spans that come in one frame are drawn together. */
const FRAME_MS = 150;

/** What is known of a run, and what comes while the page is open. The lines of its output are the transcript's. */
export class RunState {
  /** Below the API. An id of the address bar may have any character. */
  readonly #path: string;
  readonly task = signal<Task | undefined>(undefined);
  readonly input = signal<TaskInput | undefined>(undefined);
  readonly result = signal<FinalResult | undefined>(undefined);
  readonly stages = signal<readonly StageLine[]>([]);
  readonly spans = signal<readonly Span[]>([]);
  /** Grows with each event of the stream. */
  readonly news = signal(0);
  readonly error = signal<ApiError | undefined>(undefined);
  readonly #abort = new AbortController();
  #known = new Map<string, Span>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop: (() => void) | undefined;

  constructor(id: string) {
    this.#path = `/tasks/${encodeURIComponent(id)}`;
  }

  /** Follows the run first, so that nothing is missed between both. The result comes from the stream. */
  open(onLine: (line: unknown, place: string) => void, onAgain: () => void): void {
    this.#stop = follow(
      `${this.#path}/stream`,
      { after: 'now' },
      {
        metadata: () => {
          this.news.value += 1;
          void this.readTask();
          // A task that was made this moment has none yet.
          if (this.input.value === undefined) void this.#readInput();
        },
        result: (data) => {
          this.result.value = data as FinalResult;
        },
        stage: (data) => this.#addStage(data as StageLine),
        span: (data) => {
          this.news.value += 1;
          this.#addSpan(data as Span);
        },
        line: (data, place) => {
          this.news.value += 1;
          onLine(data, place);
        },
        reset: () => {
          this.#known.clear();
          void this.load();
          onAgain();
        },
        end: () => {
          void this.readTask();
          onAgain();
        },
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
    await this.readTask();
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

  /** The task, with what it waits for. */
  async readTask(): Promise<void> {
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
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.spans.value = [...this.#known.values()];
    }, FRAME_MS);
  }
}
