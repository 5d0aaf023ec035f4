import type { TaskPage } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { href } from '../data/route.ts';
import type { Pasted } from './pasted.ts';

/** Where the page goes for what was pasted: one task itself, several as a list; the last query where none is found. */
export async function findPasted(pasted: Pasted, abort: AbortSignal): Promise<string> {
  if ('address' in pasted) return href(pasted.address);
  const { searches } = pasted;
  for (const q of searches) {
    const { items, next_cursor: more } = await read<TaskPage>('/tasks', { q, limit: 2 }, abort);
    const [only] = items;
    // A page that has ended early has no task yet, and goes on.
    if (only === undefined && more === null) continue;
    return items.length === 1 && only !== undefined && more === null
      ? href(`/tasks/${encodeURIComponent(only.task_id)}`)
      : href('/', { q });
  }
  return href('/', { q: searches.at(-1) });
}
