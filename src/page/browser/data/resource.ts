import { type Signal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { ApiError } from './api.ts';

/** What is loaded from the server: `value` stays while it is loaded again. */
export interface Resource<T> {
  readonly value: T | undefined;
  readonly error: ApiError | undefined;
  readonly isLoading: boolean;
}

export type Loader<T> = (abort: AbortSignal) => Promise<T>;

/** Loads when a key changes, and drops the answer of the key before. `reload` loads again. */
export function useResource<T>(
  keys: readonly unknown[],
  load: Loader<T>,
): { readonly state: Signal<Resource<T>>; reload(): void } {
  const state = useMemo(
    () => signal<Resource<T>>({ value: undefined, error: undefined, isLoading: true }),
    [],
  );
  const again = useMemo(() => signal(0), []);
  useEffect(() => {
    const abort = new AbortController();
    state.value = { ...state.value, isLoading: true };
    load(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) state.value = { value, error: undefined, isLoading: false };
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        state.value = { value: state.value.value, error: asApiError(error), isLoading: false };
      },
    );
    return () => abort.abort();
  }, [...keys, again.value]);
  const reload = (): void => {
    again.value += 1;
  };
  return { state, reload };
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(0, '', error instanceof Error ? error.message : String(error));
}
