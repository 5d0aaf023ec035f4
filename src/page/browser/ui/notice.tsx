import type { ComponentChildren, VNode } from 'preact';
import type { ApiError } from '../data/api.ts';

/** An empty state: what is missing, and what to do. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): VNode {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What went wrong, and what to do. */
export function Failure({ error, retry }: { readonly error: ApiError; retry?(): void }): VNode {
  return (
    <div class="failure" role="alert">
      <strong>
        {error.status === 404 ? 'Not found' : error.status === 0 ? 'No connection' : 'That did not work'}
      </strong>
      <p>{error.message}</p>
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Says so after a moment: most answers are faster than the eye. */
export function Loading(): VNode {
  return (
    <div class="loading" role="status">
      <span class="unseen">loading</span>
    </div>
  );
}
