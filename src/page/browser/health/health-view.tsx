import type { VNode } from 'preact';

export function HealthView(): VNode {
  return <h1>Health</h1>;
}
