import type { ComponentChildren, VNode } from 'preact';
import { useErrorBoundary } from 'preact/hooks';

export interface GuardedProps {
  /** In words, at the start of a sentence: `This task`. */
  readonly what: string;
  readonly children: ComponentChildren;
}

/** What cannot be drawn says so in its place, and everything around it stays. */
export function Guarded({ what, children }: GuardedProps): VNode {
  const [error] = useErrorBoundary((thrown: unknown) => reportError(thrown));
  if (error === undefined) return <>{children}</>;
  return (
    <p class="failure" role="alert">
      {what} cannot be shown.
    </p>
  );
}
