/** By two clocks: one stands still while the machine sleeps, the other one may be set. */
export interface Moment {
  readonly steadyMs: number;
  readonly wallMs: number;
}

export function moment(): Moment {
  return { steadyMs: performance.now(), wallMs: Date.now() };
}

/** Milliseconds, by the clock that says more. */
export function since({ steadyMs, wallMs }: Moment): number {
  return Math.max(performance.now() - steadyMs, Date.now() - wallMs);
}
