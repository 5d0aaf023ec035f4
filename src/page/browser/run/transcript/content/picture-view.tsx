import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Picture } from './pictures.ts';
import { shownText } from './shown-text.ts';

/** A picture of the output, from the page's own memory. */
export function PictureView({ picture: { content, type } }: { readonly picture: Picture }): VNode {
  const url = useSignal<string | undefined>(undefined);
  useEffect(() => {
    if (content === undefined) return undefined;
    const made = URL.createObjectURL(content);
    url.value = made;
    return () => URL.revokeObjectURL(made);
  }, [content]);
  if (content === undefined)
    return <p class="cut">A picture of the type {shownText(type).slice(0, 60)}, which is not shown.</p>;
  if (url.value === undefined) return <div class="picture" />;
  return <img class="picture" src={url.value} alt="From the output of the agent" />;
}
