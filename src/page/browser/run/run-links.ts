import { type Signal, signal } from '@preact/signals';

/** What the reader points at in one part of the view, for the other part to mark. */
export interface Pointed {
  readonly by: 'timeline' | 'transcript';
  /** `tool_use_id` of a call. Undefined for another span, which has the lines of its time. */
  readonly call: string | undefined;
  readonly startMs: number;
  readonly endMs: number;
}

/** Between the timeline and the transcript of a run. */
export class RunLinks {
  /** While the pointer or the focus is on it. */
  readonly pointed: Signal<Pointed | undefined> = signal<Pointed | undefined>(undefined);
  /** The call that was chosen in one part: the other one goes there. */
  readonly chosen: Signal<Pointed | undefined> = signal<Pointed | undefined>(undefined);
}

/** Between a line and the span that was made of it. */
const NEAR_MS = 1_000;

/** Whether the transcript points at this call. An id may come again in another attempt, at another time. */
export function isPointedAt(pointed: Pointed | undefined, call: Omit<Pointed, 'by'>): boolean {
  if (pointed === undefined || pointed.by !== 'transcript' || pointed.call === undefined) return false;
  return isSameCall(pointed, call);
}

export function isSameCall(a: Omit<Pointed, 'by'>, b: Omit<Pointed, 'by'>): boolean {
  return a.call === b.call && a.startMs <= b.endMs + NEAR_MS && b.startMs <= a.endMs + NEAR_MS;
}
