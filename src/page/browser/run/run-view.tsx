import type { VNode } from 'preact';

export function RunView({ id }: { readonly id: string }): VNode {
  return <h1>{id}</h1>;
}
