import type { VNode } from 'preact';
import type { Paged } from '../data/paged.ts';
import { Failure, Loading } from './notice.tsx';

/** What stands at the end of a list: the next page, or why there is none. */
export function MoreButton<T>({ list }: { readonly list: Paged<T> }): VNode | null {
  const error = list.error.value;
  if (error !== undefined) return <Failure error={error} retry={() => void list.more()} />;
  if (list.isLoading.value) return <Loading />;
  if (!list.hasMore.value || list.items.value.length === 0) return null;
  return (
    <button type="button" class="fresh" onClick={() => void list.more()}>
      Show more
    </button>
  );
}
