import { isTerminal } from '../../model/documents.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { isoFromMs } from '../../model/time.ts';
import type { TaskClaims } from '../../queue/bullmq/task-claims.ts';
import { mintTaskId, timeOfTaskId } from '../../record/mint.ts';
import type { Reader } from '../../serve/reader.ts';
import type { FirstDelivery, SharedClaims } from '../../webhooks/repeats/shared-claims.ts';

/** Milliseconds by which a delivery may be older than its task: the service minted both. */
const EARLIER_MS = 60_000;

/** A task has one record; the rest would be those of other senders. */
const RECORDS_MAX = 50;

export interface WebhookClaimsParts {
  readonly claims: Pick<TaskClaims, 'claim' | 'settle' | 'knows'>;
  readonly reader: Pick<Reader, 'readDocument' | 'listDeliveries'>;
  /** Whether a task is recorded before it is queued: one that could not be queued keeps its id. Default: no. */
  readonly keepsIds?: boolean;
  /** Knows the tasks that were ended because they were not queued in time. Their ends may not be visible yet. */
  readonly starting?: { isGivenUp(taskId: string): Promise<boolean> } | undefined;
}

/** The claims in Redis, compared with the recorded tasks. */
export function createWebhookClaims({
  claims,
  reader,
  keepsIds = false,
  starting,
}: WebhookClaimsParts): SharedClaims {
  /** A process that was lost after it had recorded the delivery has left nothing to record. */
  const isLeft = async (taskId: string): Promise<boolean> => {
    const since = isoFromMs((timeOfTaskId(taskId) ?? Date.now()) - EARLIER_MS);
    const query = { task_id: taskId, outcome: 'accepted', since, limit: RECORDS_MAX };
    const { items } = await reader.listDeliveries(query);
    // Other senders may name any task.
    return items.every(({ sender }) => sender !== undefined);
  };
  return {
    claim: async (name, { taskId, isOld, first }) => {
      const { note, ...claim } = await claims.claim(name, taskId, noteOf(first));
      const { taskId: wonId } = claim;
      if (claim.state === 'taken' && claim.isLeft !== true) return { ...claim, first: firstIn(note) };
      if (claim.isLeft === true) return { ...claim, isLeft: await isLeft(wonId).catch(() => true) };
      // A new task has no records yet.
      if (claim.state !== 'won' || (wonId === taskId && !isOld)) return claim;
      // An older one is of a process that was lost, perhaps before it had queued the task.
      const look = async (): Promise<{ metadata: JsonObject | undefined; isEnded: boolean }> => {
        const metadata = await reader.readDocument(wonId, 'metadata');
        return {
          metadata,
          isEnded: isRefused(metadata) || (await starting?.isGivenUp(wonId)) === true,
        };
      };
      const { metadata, isEnded } = await look().catch(async (error: unknown) => {
        if (!keepsIds) return { metadata: undefined, isEnded: false };
        // It may have run already.
        await claims.settle(name, { taskId: wonId, isStarted: false, keepsId: true });
        throw error;
      });
      if (isEnded) {
        await claims.settle(name, { taskId: wonId, isStarted: false });
        return claims.claim(name, wonId === taskId ? mintTaskId() : taskId, noteOf(first));
      }
      if (!isBegun(metadata) && !(await claims.knows(wonId))) return claim;
      await claims.settle(name, { taskId: wonId, isStarted: true });
      return { state: 'taken', taskId: wonId, isLeft: await isLeft(wonId).catch(() => true) };
    },
    settle: (name, { taskId, isStarted }) => claims.settle(name, { taskId, isStarted, keepsId: keepsIds }),
  };
}

/** A task that could not be queued. */
function isRefused(metadata: JsonObject | undefined): boolean {
  return metadata?.status === 'failed' && typeof metadata.started_at !== 'string';
}

function isBegun(metadata: JsonObject | undefined): boolean {
  return isTerminal(metadata?.status) || typeof metadata?.started_at === 'string';
}

function noteOf(first: FirstDelivery | undefined): string {
  if (first === undefined) return '';
  return JSON.stringify({ delivery_id: first.deliveryId ?? null, at_ms: first.atMs });
}

function firstIn(note: string | undefined): FirstDelivery | undefined {
  const { delivery_id: id, at_ms: atMs } = parseObject(note) ?? {};
  if (typeof atMs !== 'number') return undefined;
  return { deliveryId: typeof id === 'string' ? id : undefined, atMs };
}
