import type { GaugePoint, GaugeReading } from '../../export/gauge-producer.ts';
import { ATTR } from '../../model/attributes.ts';
import type { JsonObject } from '../../model/json.ts';
import type { TaskPage, TaskQuery } from '../../model/task-reading.ts';
import { type MetricLabels, shortened } from './labels.ts';
import { secondsOf } from './open-tasks.ts';

/** Rows of a table on a dashboard; the REST API lists all tasks. */
const FAILED_MAX = 20;

/** Statuses that need attention. A cancelled task ended on request. */
const FAILURES = ['failed', 'abandoned'] as const;

export interface FailedReader {
  listTasks(query: TaskQuery): Promise<TaskPage>;
  readDocument(taskId: string, document: 'final-result'): Promise<JsonObject | undefined>;
}

/** The documents of a task that has ended. */
interface EndedTask {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly result: Readonly<Record<string, unknown>>;
}

/** The most recently failed tasks. */
export class FailedTasks {
  readonly #points = new Map<string, GaugePoint>();

  ended({ metadata, result }: EndedTask, labels: MetricLabels): void {
    const { task_id: taskId, status, completed_at: completedAt, end_received_at: receivedAt } = metadata;
    if (typeof taskId !== 'string') return;
    // A task that failed before may have succeeded in a later attempt.
    this.#points.delete(taskId);
    // The time that the task says is of another clock: one of the future would stand first for ever.
    const value = secondsOf(receivedAt) ?? secondsOf(completedAt);
    if (!FAILURES.some((failure) => failure === status) || value === undefined) return;
    const attributes = {
      [ATTR.taskId]: taskId,
      'tasktrail.trace.id': shortened(metadata.trace_id),
      ...labels.bounded({
        [ATTR.genAiAgentName]: metadata.assigned_agent,
        [ATTR.errorType]: result.error_type,
        'tasktrail.task.status': status,
      }),
    };
    this.#points.set(taskId, { value, attributes });
    const kept = [...this.#points].sort(([, a], [, b]) => b.value - a.value);
    for (const [id] of kept.slice(FAILED_MAX)) this.#points.delete(id);
  }

  /** Adds the failed tasks of earlier processes. Never rejects. */
  async load(reader: FailedReader, labels: MetricLabels): Promise<void> {
    try {
      for (const status of FAILURES) {
        const { items } = await reader.listTasks({ status, limit: FAILED_MAX });
        for (const metadata of items) {
          const id = String(metadata.task_id);
          if (this.#points.has(id)) continue;
          const result = (await reader.readDocument(id, 'final-result')) ?? {};
          this.ended({ metadata, result }, labels);
        }
      }
    } catch {
      // ERR_STORE_UNAVAILABLE: the table starts empty. The store reports the unreadable disk.
    }
  }

  /** Those of another process, in place of its own. */
  takeOver(points: readonly GaugePoint[]): void {
    this.#points.clear();
    for (const point of points) this.#points.set(String(point.attributes[ATTR.taskId]), point);
  }

  reading(): GaugeReading {
    return {
      name: 'tasktrail.task.failed',
      description: `The ${FAILED_MAX} most recently failed tasks: time of the failure, in seconds since 1970`,
      unit: '{second}',
      points: [...this.#points.values()],
    };
  }
}
