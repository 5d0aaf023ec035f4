/** Hashes a text to at least 32 lower-case hex digits. Passed in, because this code must not import parts of Node. */
export type Hash = (text: string) => string;

/** One start of a workflow, of a phase or of a step. */
export interface SpanIdentity {
  readonly workflowId: string;
  readonly phase: string | null;
  readonly step: string | null;
  readonly attempt: number;
}

/** The trace of a workflow that has none from a task or a caller: the first 16 bytes of the SHA-256 of its id. */
export function derivedTraceId(workflowId: string, hash: Hash): string {
  return hash(workflowId).slice(0, 32);
}

/**
 * The span id of one start: the first 8 bytes of the SHA-256 of its trace id and identity. All processes of a workflow
 * derive the same id, in any order. Stored spans contain these ids: the hashed text must not change.
 */
export function derivedSpanId(traceId: string, identity: SpanIdentity, hash: Hash): string {
  const { workflowId, phase, step, attempt } = identity;
  return spanIdFrom(traceId, JSON.stringify([workflowId, phase, step, attempt]), hash);
}

/** As `derivedSpanId`, for any text that identifies a span in its trace. */
export function spanIdFrom(traceId: string, text: string, hash: Hash): string {
  return hash(`${traceId}\n${text}`).slice(0, 16);
}
