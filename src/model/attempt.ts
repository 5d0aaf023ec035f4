/** The highest attempt that counts. A task that is tried this often is tried by a loop, or by a forged record. */
export const ATTEMPT_MAX = 10_000;

/** Undefined for anything but a whole number from 1 to `ATTEMPT_MAX`. */
export function attemptIn(value: unknown): number | undefined {
  const isCounted =
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= ATTEMPT_MAX;
  return isCounted ? value : undefined;
}
