/** Reports a failure without a caller: Node prints it on stderr once, and emits it as `warning`. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
}
