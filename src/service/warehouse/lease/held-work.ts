import type { Books } from '../../../books.ts';
import type { Config } from '../../../config/config.ts';
import { messageOf } from '../../../errors.ts';
import { Notifier } from '../../../notify/notifier.ts';
import type { RedisLink } from '../../../queue/bullmq/redis-link.ts';
import type { Queue } from '../../../queue/queue.ts';
import { type OpenTasks, openTasksOf } from '../../../trail/metrics/open-tasks.ts';
import type { TrailMetrics } from '../../../trail/metrics/trail-metrics.ts';
import { receiversOf } from '../../../trail/notify/receivers.ts';
import { closeNotifier } from '../../../trail/notify/start-notify.ts';
import { type ReaperOptions, startReaper } from '../../../trail/reaper.ts';
import { taskEnder } from '../../../trail/thread/task-ender.ts';
import type { VictoriaLogs } from '../../../warehouse/client.ts';
import { TaskCatalog } from '../../../warehouse/read/task-catalog.ts';
import { createTaskRows } from '../../../warehouse/read/task-rows.ts';
import { TaskViews } from '../../../warehouse/read/task-view.ts';
import { WorkflowCatalog } from '../../../warehouse/read/workflow-catalog.ts';
import { CountedEnds } from './counted-ends.ts';
import type { HeartbeatBoard } from './heartbeat-board.ts';
import type { LeaseRecords } from './lease-records.ts';
import type { Term } from './redis-lease.ts';
import type { RedisOutboxes } from './redis-outboxes.ts';
import { createRowNotifySource } from './row-notify-source.ts';
import { startRowUploads } from './row-uploads.ts';
import { RowWatch } from './row-watch.ts';
import type { StartingTasks } from './starting-tasks.ts';
import { UnqueuedTasks } from './unqueued-tasks.ts';

/** Milliseconds for an upload in flight at shutdown; the next holder uploads the rest. */
const UPLOAD_MS = 2_000;

/** Part of `/readyz`. */
const WATCH_PART = 'silent tasks and lost spans';
const UNQUEUED_PART = 'tasks that were not queued';

export interface HeldWorkParts {
  readonly config: Config;
  readonly logs: VictoriaLogs;
  readonly books: Books;
  readonly board: HeartbeatBoard;
  readonly records: LeaseRecords;
  readonly outboxes: RedisOutboxes;
  readonly starting: StartingTasks;
  /** Undefined before it is open. */
  queue(): Pick<Queue, 'knows'> | undefined;
  /** Names the store in the ids of notifications. */
  readonly directory: string;
  readonly metrics: TrailMetrics;
  readonly link: RedisLink;
  /** In front of every key. */
  readonly prefix: string;
  /** Default: as over files. */
  readonly limits?: Pick<ReaperOptions, 'tickMs' | 'silenceMs' | 'quietMs'>;
  log(line: string): void;
}

export interface HeldWork {
  /** The tasks that run; undefined until all of them were found. */
  openTasks(): OpenTasks | undefined;
  /** Waits for what is being done, and begins nothing else. */
  close(): Promise<void>;
}

/** What one service does for all of them, for one term of the lease. */
export function startHeldWork(term: Term, parts: HeldWorkParts): HeldWork {
  const { logs, books, board, records, metrics, link, prefix, log } = parts;
  const markKey = `${prefix}watched`;
  // Each look is to see what was stored a moment ago.
  const views = new TaskViews(logs, Date.now, { keepMs: 0 });
  const workflows = new WorkflowCatalog(logs, Date.now);
  let notifier: Notifier | undefined;
  const uploads = startRowUploads(term, { ...parts, workflows });
  const counted = new CountedEnds({ term, link, prefix, metrics });
  const watch = new RowWatch({
    ...{ term, logs, views, workflows, board, counted },
    mark: {
      read: async () => {
        const ms = Date.parse((await link.ask(() => link.client.get(markKey))) ?? '');
        return Number.isNaN(ms) ? undefined : ms;
      },
      write: async (ms) => {
        const at = new Date(ms).toISOString();
        await term.run("return redis.call('SET', KEYS[2], ARGV[2])", [markKey], [at]);
      },
    },
    addSpans: (spans) => records.addSpans(term, spans),
    onCandidate: (candidate) => notifier?.note(candidate),
    onDocument: async (id) => uploads?.add(id),
    onTrouble: (reason) => books.setNotice(WATCH_PART, reason),
  });
  const unqueued = new UnqueuedTasks({
    ...{ term, records, starting: parts.starting, queue: () => parts.queue(), log },
    readMetadata: async (taskId) => (await views.read(taskId))?.document('metadata'),
    onTrouble: (reason) => books.setNotice(UNQUEUED_PART, reason),
  });
  const reader = { readWorkflow: (id: string) => workflows.read(id) };
  const reaper = startReaper({
    store: watch,
    reader: { readDocument: async (taskId, document) => (await views.read(taskId))?.document(document) },
    ender: {
      ...taskEnder(reader, (record) => records.record(term, record)),
      isRecording: () => term.isHeld(),
    },
    isBehind: async () => !(await watch.look()),
    ...parts.limits,
    log,
  });
  const opening = Promise.all([
    openNotifier(term, { ...parts, views, workflows, watch }),
    // Without Redis the term is over in a moment.
    counted.open().catch(() => {}),
  ]).then(([opened]) => {
    notifier = opened;
    // Before both, what is behind their first mark would be lost.
    watch.start();
  });
  return {
    openTasks: () => (watch.hasSeen ? openTasksOf(watch.liveness.all()) : undefined),
    close: async () => {
      await reaper.close();
      await unqueued.close();
      books.setNotice(UNQUEUED_PART, undefined);
      await watch.close();
      await opening;
      if (notifier !== undefined) await (term.isHeld() ? closeNotifier(notifier) : notifier.close(0));
      for (const { name } of parts.config.notify) {
        // The next holder has them: a sum over all services counts them once.
        books.setNotifications(name, undefined);
        books.setNotice(`notifications to ${name}`, undefined);
      }
      await uploads?.close(term.isHeld() ? UPLOAD_MS : 0);
      books.setNotice(WATCH_PART, undefined);
      counted.close();
    },
  };
}

interface NotifyParts extends HeldWorkParts {
  readonly views: TaskViews;
  readonly workflows: WorkflowCatalog;
  readonly watch: RowWatch;
}

/** Undefined without receivers. Never rejects. */
async function openNotifier(
  term: Term,
  { config, logs, books, outboxes, directory, views, workflows, watch, log }: NotifyParts,
): Promise<Notifier | undefined> {
  if (config.notify.length === 0) return undefined;
  try {
    const catalog = new TaskCatalog(logs, views);
    const notifier = new Notifier({
      ...{ directory, traceUrls: config.traceUrls, log },
      storage: outboxes.storage(term),
      receivers: receiversOf(config, createTaskRows({ logs, views, catalog, workflows })),
      source: createRowNotifySource({
        ...{ views, workflows },
        seenMs: () => watch.seenMs,
        since: (ms) => watch.candidatesSince(ms),
      }),
      onCounts: (receiver, counts) => books.setNotifications(receiver, counts),
      onTrouble: (receiver, trouble) => books.setNotice(`notifications to ${receiver}`, trouble),
    });
    await notifier.open();
    notifier.scan();
    return notifier;
  } catch (error) {
    books.setNotice('notifications', `none are sent: ${messageOf(error)}`);
    return undefined;
  }
}
