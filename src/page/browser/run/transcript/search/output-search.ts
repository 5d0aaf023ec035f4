import { signal } from '@preact/signals';
import type { OutputLine } from '../../../../../client/api/shapes.ts';
import { ApiError, readAnswer } from '../../../data/api.ts';
import { asApiError } from '../../../data/resource.ts';
import { numbersOf } from '../lines/line-numbers.ts';
import { foundIn } from './found-text.ts';

/** Lines of a request: its answer is read in some milliseconds, so that the page stays quick. */
const WINDOW_LINES = 2_000;

/** More places are not gone through one by one. */
const HITS_MAX = 10_000;

/** Finds words in the whole output of a run, in the background. */
export class OutputSearch {
  /** Numbers of lines, in the order of the file. */
  readonly hits = signal<readonly number[]>([]);
  /** Lines that were looked through, of how many. */
  readonly done = signal(0);
  readonly total = signal(0);
  readonly isRunning = signal(false);
  readonly error = signal<ApiError | undefined>(undefined);
  /** What is searched; an empty text for nothing. */
  readonly words = signal('');
  readonly #path: string;
  #abort = new AbortController();

  /** `path`: of the lines. */
  constructor(path: string) {
    this.#path = path;
  }

  get isFull(): boolean {
    return this.hits.value.length >= HITS_MAX;
  }

  start(words: string): void {
    this.cancel();
    this.words.value = words;
    this.hits.value = [];
    this.done.value = 0;
    this.error.value = undefined;
    if (words === '') return;
    this.#abort = new AbortController();
    this.isRunning.value = true;
    void this.#run(words, this.#abort.signal);
  }

  /** What was found stays. */
  cancel(): void {
    this.#abort.abort();
    this.isRunning.value = false;
  }

  async #run(words: string, abort: AbortSignal): Promise<void> {
    try {
      for (let from = 0; !abort.aborted && !this.isFull; ) {
        const after = from === 0 ? undefined : `@${from - 1}`;
        const query = { after, limit: WINDOW_LINES };
        const { value, headers } = await readAnswer<readonly OutputLine[]>(this.#path, query, abort);
        if (abort.aborted) return;
        const { numbers, behind } = numbersOf(from, value.length, headers.get('task-logs-left-out'));
        const found = value.flatMap((line, at) => (foundIn(line, words) ? [numbers[at] ?? from + at] : []));
        if (found.length > 0) this.hits.value = [...this.hits.value, ...found].slice(0, HITS_MAX);
        from = Math.max(behind, from + value.length + Number(headers.get('task-logs-skipped-lines')));
        this.total.value = Number(headers.get('task-logs-lines'));
        this.done.value = from;
        if (value.length === 0 || from >= this.total.value) break;
      }
    } catch (error) {
      if (abort.aborted) return;
      if (!(error instanceof ApiError && error.status === 404)) this.error.value = asApiError(error);
    }
    if (!abort.aborted) this.isRunning.value = false;
  }
}
