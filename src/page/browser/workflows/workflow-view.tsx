import type { VNode } from 'preact';

export function WorkflowView(): VNode {
  return <h1>Workflow</h1>;
}
