import { batch, type Signal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { type ApiError, type Query, read } from './api.ts';
import { asApiError } from './resource.ts';

interface PageOf<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** A list of the API, page after page. */
export class Paged<T> {
  readonly items: Signal<readonly T[]> = signal([]);
  readonly error: Signal<ApiError | undefined> = signal(undefined);
  readonly isLoading: Signal<boolean> = signal(false);
  readonly hasMore: Signal<boolean> = signal(true);
  readonly #path: string;
  readonly #query: Query;
  readonly #abort = new AbortController();
  #cursor: string | undefined;

  constructor(path: string, query: Query) {
    this.#path = path;
    this.#query = query;
  }

  async more(): Promise<void> {
    if (this.isLoading.value || !this.hasMore.value) return;
    this.isLoading.value = true;
    const { signal: stop } = this.#abort;
    try {
      const query = { limit: 100, ...this.#query, cursor: this.#cursor };
      const page = await read<PageOf<T>>(this.#path, query, stop);
      batch(() => {
        this.#cursor = page.next_cursor ?? undefined;
        this.items.value = [...this.items.value, ...page.items];
        this.hasMore.value = page.next_cursor !== null && page.items.length > 0;
        this.error.value = undefined;
        this.isLoading.value = false;
      });
    } catch (error) {
      if (stop.aborted) return;
      batch(() => {
        this.error.value = asApiError(error);
        this.isLoading.value = false;
      });
    }
  }

  close(): void {
    this.#abort.abort();
  }
}

export function usePaged<T>(path: string, query: Query): Paged<T> {
  const list = useMemo(() => new Paged<T>(path, query), [path, JSON.stringify(query)]);
  useEffect(() => {
    void list.more();
    return () => list.close();
  }, [list]);
  return list;
}
