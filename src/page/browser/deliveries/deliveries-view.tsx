import type { VNode } from 'preact';

export function DeliveriesView(): VNode {
  return <h1>Deliveries</h1>;
}
