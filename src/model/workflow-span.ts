/** Text to lower-case hex, at least 32 digits of it; handed in, because nothing here may reach the system. */
export type Hash = (text: string) => string;

/** Which start of what: the workflow itself, a phase, or a step of a phase. */
export interface SpanIdentity {
  readonly workflowId: string;
  readonly phase: string | null;
  readonly step: string | null;
  readonly attempt: number;
}

/** The trace of a workflow that no task and no caller places: the first 16 bytes of the id's SHA-256. */
export function derivedTraceId(workflowId: string, hash: Hash): string {
  return hash(workflowId).slice(0, 32);
}

/**
 * The span of one start: the first 8 bytes of a SHA-256 over its trace and what it is, so that whoever takes part in
 * the workflow, in whichever process and in whichever order, names the same span by the same id.
 */
export function derivedSpanId(traceId: string, identity: SpanIdentity, hash: Hash): string {
  const { workflowId, phase, step, attempt } = identity;
  return spanIdFrom(traceId, JSON.stringify([workflowId, phase, step, attempt]), hash);
}

/** The same for any text that names a span in its trace. */
export function spanIdFrom(traceId: string, text: string, hash: Hash): string {
  return hash(`${traceId}\n${text}`).slice(0, 16);
}
