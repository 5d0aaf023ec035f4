import type { JsonObject } from '../../model/json.ts';
import type { TaskFiles } from '../searched-files.ts';

interface Queued {
  readonly id: string;
  readonly at: string;
  readonly queue: string;
}

/** Says what a task waits for that is not over; null for one that is. */
export type ActivityOf = (metadata: JsonObject) => Promise<JsonObject | null>;

/** For the tasks of one answer: the queues are read once, when the first of them waits in one. */
export function createTaskActivity(
  files: Pick<TaskFiles, 'activity' | 'list'>,
  now: () => number = Date.now,
): ActivityOf {
  let places: Promise<QueuePlaces> | undefined;
  return async (metadata) => {
    const { task_id: id, status } = metadata;
    if (status === 'running' || status === 'waiting_input')
      return (await files.activity?.(metadata, now())) ?? null;
    if (status !== 'queued' || typeof id !== 'string') return null;
    places ??= readPlaces(files);
    const place = (await places).get(id);
    return { waits_for: { kind: 'queue', name: nameOf(metadata.queue), ...place } };
  };
}

type QueuePlaces = ReadonlyMap<string, { readonly place: number; readonly of: number }>;

/** Queues hand out the oldest task first. A task that was queued again stands where its creation puts it. */
async function readPlaces(files: Pick<TaskFiles, 'list'>): Promise<QueuePlaces> {
  const queues = new Map<string, Queued[]>();
  for await (const { id, at, metadata } of files.list({ status: 'queued' })) {
    const queue = JSON.stringify([metadata.queue_system, metadata.queue, metadata.queue_home]);
    const list = queues.get(queue) ?? [];
    queues.set(queue, list);
    list.push({ id, at, queue });
  }
  const places = new Map<string, { readonly place: number; readonly of: number }>();
  // Newest first.
  for (const list of queues.values())
    for (const [index, { id }] of list.entries())
      places.set(id, { place: list.length - index, of: list.length });
  return places;
}

function nameOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
