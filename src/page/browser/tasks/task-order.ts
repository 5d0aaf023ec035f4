import type { TaskItem } from '../../../client/api/shapes.ts';

/** Puts tasks into the order of their creation, newest first. What belongs behind the loaded part waits for its page. */
export function merged(
  items: readonly TaskItem[],
  added: readonly TaskItem[],
  hasMore: boolean,
): readonly TaskItem[] {
  const last = items.at(-1);
  const fits = added.filter((item) => !hasMore || last === undefined || compare(item, last) < 0);
  // The list is in order already, and may be long: tasks come for as long as the page is open.
  const result: TaskItem[] = [];
  let at = 0;
  for (const item of fits.sort(compare)) {
    for (let next = items[at]; next !== undefined && compare(next, item) < 0; next = items[at]) {
      result.push(next);
      at += 1;
    }
    result.push(item);
  }
  return [...result, ...items.slice(at)];
}

function compare(a: TaskItem, b: TaskItem): number {
  const [x, y] = [`${a.created_at ?? ''} ${a.task_id}`, `${b.created_at ?? ''} ${b.task_id}`];
  return x === y ? 0 : x < y ? 1 : -1;
}
