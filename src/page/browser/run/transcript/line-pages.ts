import { batch, type Signal, signal } from '@preact/signals';
import type { OutputLine } from '../../../../client/api/shapes.ts';
import { ApiError, type Query, readAnswer } from '../../data/api.ts';
import { asApiError } from '../../data/resource.ts';
import { CallPairs } from './call-pairs.ts';
import { numberOfCall, type WantedCall } from './lines/line-find.ts';
import { numbersOf } from './lines/line-numbers.ts';
import { OtherHalves } from './lines/other-halves.ts';
import { type LoadedLine, loadedLine, weightOf } from './loaded-line.ts';

/** Lines that are loaded and drawn together. */
export const PAGE_LINES = 100;

/** Requests at once: of six that a browser opens to one host one is the stream. */
const LOADS_MAX = 3;

/** Kept pages, and characters in them: some screens around, so that going back is quick. */
const PAGES_MAX = 60;
const WEIGHT_MAX = 16_000_000;

/** While the scroll bar is dragged, pages pass that are not looked at. */
const REST_MS = 40;
const AGAIN_MS = 2_000;
const POLL_MS = 50;

export interface LoadedPage {
  readonly lines: readonly LoadedLine[];
  /** Number behind its last line: a page at the end grows. */
  readonly end: number;
}

interface Entry extends LoadedPage {
  /** Of which state of the file. */
  readonly version: number;
  readonly weight: number;
}

interface Window extends LoadedPage {
  readonly total: number;
  /** Where the rest of a window of long lines begins. */
  readonly next: string | undefined;
}

/** The lines of a run, as far as they are looked at: pages are loaded when they are wanted, and dropped again. */
export class LinePages {
  /** Lines of the file; undefined before the first answer. */
  readonly total = signal<number | undefined>(undefined);
  readonly error = signal<ApiError | undefined>(undefined);
  /** Changes when a call and its result in two pages have been found or lost. */
  readonly joined = signal(0);
  readonly pairs = new CallPairs();
  readonly #path: string;
  readonly #halves: OtherHalves;
  readonly #entries = new Map<number, Entry>();
  readonly #signals = new Map<number, Signal<LoadedPage | undefined>>();
  readonly #loading = new Map<number, AbortController>();
  readonly #abort = new AbortController();
  #version = 0;
  #wanted: readonly number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #retries = new Set<ReturnType<typeof setTimeout>>();
  #isPolling = false;
  #pollAgain = false;

  constructor(taskId: string) {
    this.#path = `/tasks/${encodeURIComponent(taskId)}/logs/agent-output`;
    this.#halves = new OtherHalves(this.#path, this.pairs);
  }

  get path(): string {
    return this.#path;
  }

  /** Undefined while it is not loaded. */
  page(index: number): Signal<LoadedPage | undefined> {
    const known = this.#signals.get(index);
    if (known !== undefined) return known;
    const made = signal<LoadedPage | undefined>(this.#entries.get(index));
    this.#signals.set(index, made);
    return made;
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    for (const timer of this.#retries) clearTimeout(timer);
    for (const loading of this.#loading.values()) loading.abort();
  }

  /** Loads these pages, and stops loading others. */
  want(indexes: readonly number[]): void {
    this.#wanted = indexes;
    const isNew = indexes.some((index) => !this.#entries.has(index) && !this.#loading.has(index));
    clearTimeout(this.#timer);
    if (isNew && this.#loading.size > 0) this.#timer = setTimeout(() => this.#pump(), REST_MS);
    else this.#pump();
  }

  /** Looks for new lines: there are some, or the first answer is wanted. */
  async poll(): Promise<void> {
    if (this.#isPolling) {
      this.#pollAgain = true;
      return;
    }
    this.#isPolling = true;
    try {
      do {
        this.#pollAgain = false;
        await this.#readEnd();
        // A program that prints without a pause is shown some times a second.
        if (this.#pollAgain) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      } while (this.#pollAgain && !this.#abort.signal.aborted);
    } catch (error) {
      this.#failed(error, () => void this.poll());
    } finally {
      this.#isPolling = false;
    }
  }

  /** Looks for calls and results that belong to the lines of these pages and are in none. A failure: the next time. */
  async lookAround(indexes: readonly number[], abort: AbortSignal): Promise<void> {
    const lines = indexes.flatMap((index) => this.#entries.get(index)?.lines ?? []);
    const version = this.#version;
    const isFound = await this.#halves.look(lines, this.total.peek() ?? 0, abort).catch(() => false);
    if (version !== this.#version) this.#halves.clear();
    else if (isFound) this.joined.value += 1;
  }

  /** The file has changed otherwise than by growing. */
  reload(): void {
    this.#version += 1;
    this.#halves.clear();
    for (const [index, loading] of this.#loading) {
      loading.abort();
      this.#loading.delete(index);
    }
    for (const index of [...this.#entries.keys()]) if (!this.#wanted.includes(index)) this.#drop(index);
    void this.#count();
  }

  /** The number of the line with an id; undefined without one. */
  async numberOf(id: string): Promise<number | undefined> {
    try {
      const { headers } = await readAnswer(this.#path, { after: id, limit: 1 }, this.#abort.signal);
      return Number(headers.get('task-logs-first-line')) - 1;
    } catch (error) {
      if (error instanceof ApiError && error.status === 410) return undefined;
      throw error;
    }
  }

  /** The number of the line that makes a call; undefined without one. */
  async numberOfCall(wanted: WantedCall, abort: AbortSignal): Promise<number | undefined> {
    const known = this.pairs.callNear(wanted.id, wanted.atMs);
    return known?.number ?? numberOfCall(this.#path, { ...wanted, total: this.total.peek() ?? 0 }, abort);
  }

  /** A line with all of its content. */
  async whole(number: number): Promise<OutputLine | undefined> {
    const { value } = await readAnswer<readonly OutputLine[]>(
      this.#path,
      { after: number === 0 ? undefined : `@${number - 1}`, limit: 1 },
      this.#abort.signal,
    );
    return value[0];
  }

  async #readEnd(): Promise<void> {
    const known = this.total.peek();
    const last = Math.floor(Math.max(0, (known ?? 0) - 1) / PAGE_LINES);
    // The lines themselves only where they are seen.
    const limit = this.#wanted.includes(last) ? PAGE_LINES : 1;
    if (known === undefined) return this.#count();
    const version = this.#version;
    const found = await this.#readNumbered({ after: known === 0 ? undefined : `@${known - 1}`, limit });
    // The file is another one now, and is counted again.
    if (version !== this.#version) return;
    batch(() => {
      this.total.value = found.total;
      const { lines } = found;
      const first = lines[0]?.number ?? found.total;
      for (let from = first; from < found.end; from = (Math.floor(from / PAGE_LINES) + 1) * PAGE_LINES)
        this.#append(Math.floor(from / PAGE_LINES), from, found);
    });
    this.#pump();
  }

  #append(index: number, from: number, { lines, end }: LoadedPage): void {
    const entry = this.#entries.get(index);
    const isNext =
      entry === undefined
        ? from === index * PAGE_LINES
        : entry.end === from && entry.version === this.#version;
    if (!isNext || !this.#wanted.some((wanted) => Math.abs(wanted - index) <= 1)) return;
    const last = Math.min(end, (index + 1) * PAGE_LINES);
    const added = lines.filter(({ number }) => number >= from && number < last);
    this.#set(index, { lines: [...(entry?.lines ?? []), ...added], end: last });
  }

  /** Takes the number of lines, at first with the lines of the first page: most readers begin there. */
  async #count(): Promise<void> {
    const version = this.#version;
    const isFirst = this.total.peek() === undefined;
    try {
      // Of a file that was never read by number the server counts the lines when one is named by its number.
      const { total, lines, end } =
        (await this.#read(isFirst ? { limit: PAGE_LINES } : { tail: 1 })) ??
        (await this.#readNumbered({ before: '@0', limit: 1 }));
      batch(() => {
        this.total.value = total;
        this.error.value = undefined;
        const last = Math.min(total, PAGE_LINES);
        if (isFirst && version === this.#version && end >= last && last > 0)
          this.#set(0, { lines: lines.filter(({ number }) => number < last), end: last });
        for (const index of [...this.#entries.keys()]) if (index * PAGE_LINES >= total) this.#drop(index);
      });
      this.#pump();
    } catch (error) {
      this.#failed(error, () => void this.#count());
    }
  }

  #pump(): void {
    const total = this.total.peek();
    if (total === undefined || this.#abort.signal.aborted) return;
    for (const [index, loading] of this.#loading)
      if (!this.#wanted.includes(index)) {
        loading.abort();
        this.#loading.delete(index);
      }
    for (const index of this.#wanted) {
      if (this.#loading.size >= LOADS_MAX) return;
      const entry = this.#entries.get(index);
      const end = Math.min(total, (index + 1) * PAGE_LINES);
      if (end <= index * PAGE_LINES || this.#loading.has(index)) continue;
      if (entry === undefined || entry.version !== this.#version || entry.end < end) void this.#load(index);
      else this.#touch(index, entry);
    }
  }

  async #load(index: number): Promise<void> {
    const loading = new AbortController();
    this.#loading.set(index, loading);
    const version = this.#version;
    try {
      const entry = this.#entries.get(index);
      const isGrown = entry !== undefined && entry.version === version;
      const page = await this.#readPage(index, isGrown ? entry : undefined, loading.signal);
      if (loading.signal.aborted) return;
      batch(() => {
        this.error.value = undefined;
        this.#set(index, page);
      });
    } catch (error) {
      if (loading.signal.aborted) return;
      if (error instanceof ApiError && error.status === 410) void this.#count();
      else this.#failed(error, () => this.#pump());
    } finally {
      if (this.#loading.get(index) === loading) {
        this.#loading.delete(index);
        if (this.error.peek() === undefined) this.#pump();
      }
    }
  }

  /** A window ends after some megabytes: a page of long lines takes several. */
  async #readPage(index: number, known: LoadedPage | undefined, abort: AbortSignal): Promise<LoadedPage> {
    const start = index * PAGE_LINES;
    const total = this.total.peek() ?? 0;
    const end = Math.min(start + PAGE_LINES, total);
    const lines: LoadedLine[] = [...(known?.lines ?? [])];
    const from = known?.end ?? start;
    let after: string | undefined = from === 0 ? undefined : `@${from - 1}`;
    for (;;) {
      const before = end < total ? `@${end}` : undefined;
      const found = await this.#readNumbered({ after, before, limit: PAGE_LINES }, abort);
      lines.push(...found.lines.filter(({ number }) => number < end));
      // The file may have become longer meanwhile.
      if (found.next === undefined || found.end >= end || found.lines.length === 0) break;
      after = found.next;
    }
    return { lines, end };
  }

  async #readNumbered(query: Query, abort?: AbortSignal): Promise<Window> {
    const window = await this.#read(query, abort);
    if (window === undefined) throw new ApiError(0, '', 'the server does not count the lines');
    return window;
  }

  /** Undefined for an answer that does not say where it stands in the file. */
  async #read(query: Query, abort: AbortSignal = this.#abort.signal): Promise<Window | undefined> {
    const answer = await readAnswer<readonly OutputLine[]>(this.#path, query, abort).catch(noFile);
    if (answer === undefined) return { lines: [], end: 0, total: 0, next: undefined };
    const { value, headers } = answer;
    if (!headers.has('task-logs-lines')) return undefined;
    const first = Number(headers.get('task-logs-first-line'));
    const { numbers } = numbersOf(first, value.length, headers.get('task-logs-left-out'));
    const lines = value.map((line, at) => loadedLine(line, numbers[at] ?? first + at));
    const next = /[?&]after=([^&>]*)[^>]*>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
    return {
      lines,
      end: (lines.at(-1)?.number ?? first - 1) + 1,
      total: Number(headers.get('task-logs-lines')),
      next: next === undefined ? undefined : decodeURIComponent(next),
    };
  }

  #set(index: number, { lines, end }: LoadedPage): void {
    const before = this.#entries.get(index);
    const isOther = before !== undefined && before.version !== this.#version;
    if (isOther) this.pairs.remove(before.lines);
    this.pairs.add(lines);
    const weight = lines.reduce((sum, line) => sum + weightOf(line), 0);
    this.#touch(index, { lines, end, version: this.#version, weight });
    this.page(index).value = { lines, end };
    const added = before === undefined || isOther ? lines : lines.slice(before.lines.length);
    if (added.some((line) => this.#isJoined(line, index))) this.joined.value += 1;
    this.#forget();
  }

  /** Whether its other half is in another page. */
  #isJoined(line: LoadedLine, index: number): boolean {
    const { type } = line.line;
    const other =
      type === 'tool_call'
        ? this.pairs.resultOf(line)
        : type === 'tool_result'
          ? this.pairs.callOf(line)
          : undefined;
    return other !== undefined && Math.floor(other.number / PAGE_LINES) !== index;
  }

  #touch(index: number, entry: Entry): void {
    this.#entries.delete(index);
    this.#entries.set(index, entry);
  }

  #forget(): void {
    let weight = 0;
    for (const entry of this.#entries.values()) weight += entry.weight;
    for (const [index, entry] of this.#entries) {
      if (this.#entries.size <= PAGES_MAX && weight <= WEIGHT_MAX) return;
      if (this.#wanted.includes(index)) continue;
      weight -= entry.weight;
      this.#drop(index);
    }
  }

  #drop(index: number): void {
    const entry = this.#entries.get(index);
    if (entry === undefined) return;
    this.#entries.delete(index);
    this.pairs.remove(entry.lines);
    this.page(index).value = undefined;
    this.#signals.delete(index);
  }

  #failed(error: unknown, retry: () => void): void {
    if (this.#abort.signal.aborted) return;
    this.error.value = asApiError(error);
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.error.value = undefined;
      retry();
    }, AGAIN_MS);
    this.#retries.add(timer);
  }
}

/** A task that has not said anything yet. */
function noFile(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}
