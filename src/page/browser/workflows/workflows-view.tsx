import type { VNode } from 'preact';

export function WorkflowsView(): VNode {
  return <h1>Workflows</h1>;
}
