import { eventIdentity } from '../model/event-identity.ts';
import { type JsonObject, type JsonValue, parseObject } from '../model/json.ts';
import type { NodeId } from '../model/workflow-node.ts';
import { redactJson } from '../redact/redact.ts';

/** The body of an `artifact_create` event, and the artifact as completion events list it: without its metadata. */
export interface ArtifactEvent {
  readonly payload: JsonObject;
  readonly summary: JsonObject;
}

export function artifactEvent({ phase, step }: NodeId, artifact: JsonObject): ArtifactEvent {
  const { metadata = {}, ...summary } = artifact;
  // The payload format names the step alone. A phase needs its name here: a stored event has no other field for it.
  const owner = step === null && phase !== null ? { phase } : {};
  return { payload: { artifact: { ...summary, metadata }, step, ...owner }, summary };
}

/**
 * Equal for two events that the store folds into one artifact. The payload is redacted first, as the journal does: a
 * URL whose token has changed is stored as the same text.
 */
export function artifactIdentity(node: NodeId, attempt: number, payload: JsonObject): JsonValue {
  const stored = parseObject(redactJson(JSON.stringify(payload))) ?? payload;
  return [node.phase, node.step, attempt, eventIdentity(stored, node)];
}
