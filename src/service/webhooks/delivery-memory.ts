import type { Config } from '../../config/config.ts';
import { isoFromMs } from '../../model/time.ts';
import type { JobStore } from '../../queue/job-store.ts';
import { ensureTrailKey, readTrailKey } from '../../store/key.ts';
import { createProofs } from '../../webhooks/repeats/proofs.ts';
import type { DeliveryMemory } from '../web-app.ts';

export interface DeliveryMemoryParts {
  /** Undefined: no jobs are kept. */
  readonly jobs: JobStore | undefined;
  /** Resolves when the records of earlier processes are stored and their jobs are kept. */
  readonly ready: Promise<unknown>;
}

/** What this process knows of the deliveries of earlier ones: those that have proofs, and the tasks that were kept. */
export async function openDeliveryMemory(
  config: Config,
  { jobs, ready }: DeliveryMemoryParts,
): Promise<DeliveryMemory> {
  const key = config.key ?? (await keyOf(config));
  const proofs = key === undefined ? undefined : createProofs(key);
  const proofSource = async (): Promise<typeof proofs> => proofs;
  if (jobs === undefined) return { ready, proofs: proofSource };
  return {
    ready,
    proofs: proofSource,
    unprovenBefore: () => unprovenBefore(jobs),
    readKept: async () => {
      const kept = new Set(await jobs.taskIds());
      return (taskId) => kept.has(taskId) || jobs.hasEnded(taskId);
    },
  };
}

/** A process that records nothing makes no file either. */
function keyOf({ enabled, logDir }: Config): Promise<string | undefined> {
  return enabled ? ensureTrailKey(logDir) : readTrailKey(logDir);
}

/** Undefined when every delivery of this directory has a proof. */
async function unprovenBefore(jobs: JobStore): Promise<string | undefined> {
  const opening = await jobs.readOpening();
  // Taking over the former tasks has failed: this is still the first start of this version.
  if (opening === undefined) return isoFromMs(Date.now());
  return opening.fromRecords ? opening.openedAt : undefined;
}
