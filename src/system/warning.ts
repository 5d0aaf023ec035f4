/** Reports a failure without a caller: Node prints it on stderr once, and emits it as `warning`. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'TasktrailWarning' });
}

/** Writes what no answer says. */
export function errorLog(log: (line: string) => void): (error: unknown) => void {
  return (error) => log(`unexpected error: ${stackOf(error)}`);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
