import { options, type VNode } from 'preact';
import { shownText } from '../run/transcript/content/shown-text.ts';

/** Attributes that people read. */
const READ = ['title', 'aria-label', 'alt', 'placeholder'] as const;

/**
 * Lets every text of the page go through `shownText`, wherever a view takes it from: names, addresses, errors and reasons are
 * written by agents and senders as well as the transcript. What stands in an input stays as it was typed.
 */
export function showEveryText(): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    before?.(vnode);
    makeShown(vnode);
  };
}

/** Preact makes a node without a type for each text. */
function makeShown(vnode: VNode): void {
  const props: unknown = vnode.props;
  if (typeof props === 'string') Object.assign(vnode, { props: shownText(props) });
  else if (typeof vnode.type === 'string') {
    const attributes = Object(props) as Record<string, unknown>;
    for (const name of READ) {
      const value = attributes[name];
      if (typeof value === 'string') attributes[name] = shownText(value);
    }
  }
}
