import type { Books } from '../../books.ts';
import type { GaugePoint, GaugeReading } from '../../export/gauge-producer.ts';
import { ATTR } from '../../model/attributes.ts';
import type { Queue } from '../../queue/queue.ts';
import type { TaskLiveness } from '../../store/write/liveness.ts';
import type { MetricLabels } from './labels.ts';

/** Rows of a table on a dashboard; the REST API lists all tasks. */
const RUNNING_MAX = 50;

export function runningTasks(liveness: Iterable<TaskLiveness>, labels: MetricLabels): GaugeReading {
  const points: GaugePoint[] = [];
  for (const { taskId, status, workerSeenAtMs, about } of liveness) {
    if (status !== 'running') continue;
    points.push({
      // A start in the future would stand first for ever.
      value: Math.min(secondsOf(about.startedAt) ?? Number.POSITIVE_INFINITY, workerSeenAtMs / 1_000),
      attributes: {
        [ATTR.taskId]: taskId,
        ...labels.bounded({ [ATTR.genAiAgentName]: about.agent, 'tasktrail.task.source': about.source }),
      },
    });
  }
  return {
    name: 'tasktrail.task.running',
    description: `The ${RUNNING_MAX} newest running tasks: time of the start, in seconds since 1970`,
    unit: '{second}',
    points: points.sort((a, b) => b.value - a.value).slice(0, RUNNING_MAX),
  };
}

/** One series for each part that `/readyz` reports as not ready. */
export function unreadyParts(books: Books, labels: MetricLabels): GaugeReading {
  const parts = new Map(
    [...books.reasons.keys()].map((part) => {
      const attributes = labels.bounded({ 'tasktrail.part': part });
      return [attributes['tasktrail.part'], { value: 1, attributes }];
    }),
  );
  return {
    name: 'tasktrail.unready',
    description: 'Parts of this process that are not ready',
    unit: '{reason}',
    points: [...parts.values()],
  };
}

/** Has no points while the queue is unreachable: zero would be wrong. */
export async function queueJobs(queue: Queue): Promise<GaugeReading> {
  const depth = await queue.depth();
  const labels = { [ATTR.messagingDestination]: queue.name, [ATTR.messagingSystem]: queue.system };
  return {
    name: 'tasktrail.queue.jobs',
    description: 'Jobs in the queue',
    unit: '{job}',
    points: Object.entries(depth ?? {}).map(([state, value]) => ({
      value,
      attributes: { ...labels, 'tasktrail.queue.state': state },
    })),
  };
}

/** Seconds since 1970 of an ISO 8601 time; undefined for any other value. */
export function secondsOf(iso: unknown): number | undefined {
  const ms = typeof iso === 'string' ? Date.parse(iso) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}
