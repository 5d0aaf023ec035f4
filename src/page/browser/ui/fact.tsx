import type { ComponentChildren, VNode } from 'preact';

/** A name and what it is, in a list of the class `facts`. */
export function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
