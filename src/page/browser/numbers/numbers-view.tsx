import type { VNode } from 'preact';

export function NumbersView(): VNode {
  return <h1>Numbers</h1>;
}
