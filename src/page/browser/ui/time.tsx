import type { VNode } from 'preact';
import { now } from '../data/clock.ts';
import { ago, exact } from './format.ts';

/** A time from now, with the exact one on hover. */
export function Ago({ at }: { readonly at: string | null | undefined }): VNode {
  return (
    <time dateTime={at ?? ''} title={exact(at)}>
      {ago(at, now.value)}
    </time>
  );
}
