import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

/** Places that are marked at once. */
const MARKS_MAX = 2_000;
const NAME = 'found';

/** Marks words in an element without a change of its nodes. Browsers without that mark nothing. */
function markFound(root: Element | null, words: string): void {
  if (!('highlights' in CSS)) return;
  if (root === null || words === '') {
    CSS.highlights.delete(NAME);
    return;
  }
  const wanted = words.toLowerCase();
  const ranges: Range[] = [];
  const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node !== null && ranges.length < MARKS_MAX; node = nodes.nextNode()) {
    const text = node.nodeValue?.toLowerCase() ?? '';
    for (
      let at = text.indexOf(wanted);
      at >= 0 && ranges.length < MARKS_MAX;
      at = text.indexOf(wanted, at + 1)
    ) {
      const range = new Range();
      // Some letters are longer in lower case: the place is then behind the text.
      if (at > text.length - wanted.length || at > (node.nodeValue?.length ?? 0)) break;
      range.setStart(node, at);
      range.setEnd(node, Math.min(at + wanted.length, node.nodeValue?.length ?? 0));
      ranges.push(range);
    }
  }
  CSS.highlights.set(NAME, new Highlight(...ranges));
}

/** Marks words in what is drawn, each time that it is drawn. */
export function useFoundMarks(element: RefObject<Element | null>, words: string): void {
  useEffect(() => {
    const frame = requestAnimationFrame(() => markFound(element.current, words));
    return () => cancelAnimationFrame(frame);
  });
  useEffect(() => () => markFound(null, ''), []);
}
