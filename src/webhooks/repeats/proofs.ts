import { createHmac } from 'node:crypto';
import { isJsonObject, type JsonObject } from '../../model/json.ts';
import { isAnyOf } from '../../model/secret.ts';
import type { AcceptedDelivery } from '../../record/delivery.ts';

/** 128 bits cannot be guessed. */
const MAC_HEX_DIGITS = 32;

/** A task that a delivery asks for. */
export interface AskedTask {
  readonly taskId: string;
  readonly provider: string;
  readonly command: string;
  readonly deliveryId: string | null;
  /** The comment, message or issue. */
  readonly subject: string | null;
}

/**
 * Codes that only a holder of the trail's key can make. Telemetry of other programs can contain records of deliveries and
 * tasks: without such a code they make no delivery known. A code holds for one delivery with its tasks, or for one task.
 */
export interface Proofs {
  ofDelivery(delivery: AcceptedDelivery): string;
  ofTask(task: AskedTask): string;
}

/** Reads the key at the first use: most receivers are created before the log directory is open. Undefined: there is none. */
export type ProofSource = () => Promise<Proofs | undefined>;

export function createProofs(key: string): Proofs {
  const sign = (facts: readonly unknown[]): string =>
    createHmac('sha256', key).update(JSON.stringify(facts)).digest('hex').slice(0, MAC_HEX_DIGITS);
  return {
    ofDelivery: ({ provider, deliveryId, subject, tasks }) =>
      sign(['tasktrail delivery', provider, deliveryId, subject, tasks]),
    ofTask: ({ taskId, provider, command, deliveryId, subject }) =>
      sign(['tasktrail task', taskId, provider, command, deliveryId, subject]),
  };
}

/** Whether a line of `_webhooks` is that of an accepted delivery of this trail. */
export function isProvenDelivery(proofs: Proofs | undefined, line: JsonObject): boolean {
  const { provider, mac, stages } = line;
  if (proofs === undefined || typeof provider !== 'string' || typeof mac !== 'string') return false;
  const tasks = createdTasks(stages);
  const facts = { provider, deliveryId: textOf(line.delivery_id), subject: textOf(line.subject), tasks };
  return isAnyOf([proofs.ofDelivery(facts)], mac);
}

/** Whether the metadata of a task are those of a task of this trail. */
export function isProvenTask(proofs: Proofs | undefined, metadata: JsonObject): boolean {
  const { task_id: taskId, provider, command, webhook_mac: mac } = metadata;
  if (proofs === undefined || typeof mac !== 'string') return false;
  if (typeof taskId !== 'string' || typeof provider !== 'string' || typeof command !== 'string') return false;
  const deliveryId = textOf(metadata.webhook_id);
  const subject = textOf(metadata.webhook_subject);
  return isAnyOf([proofs.ofTask({ taskId, provider, command, deliveryId, subject })], mac);
}

/** Command and id of each task that a delivery has created, in the order of its stages. */
export function createdTasks(stages: unknown): readonly (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  for (const stage of Array.isArray(stages) ? stages : []) {
    if (!isJsonObject(stage) || stage.stage !== 'task_created') continue;
    const { command, task_id: taskId } = stage;
    if (typeof command === 'string' && typeof taskId === 'string') found.push([command, taskId]);
  }
  return found;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
