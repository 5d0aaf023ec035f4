import type { Books } from '../../books.ts';
import type { GaugePoint, GaugeReading } from '../../export/gauge-producer.ts';
import { ATTR } from '../../model/attributes.ts';
import type { Queue } from '../../queue/queue.ts';
import type { MetricLabels } from './labels.ts';
import { RUNNING_MAX, type RunningTask } from './open-tasks.ts';

export function runningTasks(newest: readonly RunningTask[], labels: MetricLabels): GaugeReading {
  const points: GaugePoint[] = newest.map(({ taskId, agent, source, startedSeconds }) => ({
    value: startedSeconds,
    attributes: {
      [ATTR.taskId]: taskId,
      ...labels.bounded({ [ATTR.genAiAgentName]: agent, 'tasktrail.task.source': source }),
    },
  }));
  return {
    name: 'tasktrail.task.running',
    description: `The ${RUNNING_MAX} newest running tasks: time of the start, in seconds since 1970`,
    unit: '{second}',
    points,
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

/** The sum over all services is 1; 0: no service does what is done once. */
export function leaseHeld(isHeld: boolean): GaugeReading {
  return {
    name: 'tasktrail.lease.held',
    description: 'Whether this service does what one of several does for all',
    unit: '{lease}',
    points: [{ value: isHeld ? 1 : 0, attributes: {} }],
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
