/** libuv runs file operations on four threads: a few more keep those busy without a queue of thousands. */
const CONCURRENCY = 16;

/** Calls `work` for each item with bounded concurrency. Results are in the order of the items. */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    // All workers share one iterator, so each item is processed once.
    for (const [index, item] of rest) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  return results;
}
