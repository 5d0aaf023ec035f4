import { isTerminal } from '../../model/documents.ts';
import type { JsonObject } from '../../model/json.ts';
import type { TaskClaims } from '../../queue/bullmq/task-claims.ts';
import { mintTaskId } from '../../record/mint.ts';
import type { Reader } from '../../serve/reader.ts';
import type { SharedClaims } from '../../webhooks/repeats/shared-claims.ts';

export interface WebhookClaimsParts {
  readonly claims: Pick<TaskClaims, 'claim' | 'settle' | 'knows'>;
  readonly reader: Pick<Reader, 'readDocument'>;
}

/** The claims in Redis, compared with the recorded tasks. */
export function createWebhookClaims({ claims, reader }: WebhookClaimsParts): SharedClaims {
  return {
    claim: async (name, { taskId, isOld }) => {
      const claim = await claims.claim(name, taskId);
      const { taskId: wonId } = claim;
      // A new task has no records yet.
      if (claim.state !== 'won' || (wonId === taskId && !isOld)) return claim;
      // An older one is of a process that was lost, perhaps before it had queued the task.
      const metadata = await reader.readDocument(wonId, 'metadata').catch(() => undefined);
      if (isRefused(metadata)) {
        await claims.settle(name, { taskId: wonId, isStarted: false });
        return claims.claim(name, wonId === taskId ? mintTaskId() : taskId);
      }
      if (!isBegun(metadata) && !(await claims.knows(wonId))) return claim;
      await claims.settle(name, { taskId: wonId, isStarted: true });
      return { state: 'taken', taskId: wonId, isLeft: true };
    },
    settle: (name, outcome) => claims.settle(name, outcome),
  };
}

/** A task that could not be queued. */
function isRefused(metadata: JsonObject | undefined): boolean {
  return metadata?.status === 'failed' && typeof metadata.started_at !== 'string';
}

function isBegun(metadata: JsonObject | undefined): boolean {
  return isTerminal(metadata?.status) || typeof metadata?.started_at === 'string';
}
