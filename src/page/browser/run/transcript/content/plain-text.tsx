import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Segment } from './ansi-text.ts';
import { shownText } from './shown-text.ts';

type AnsiText = typeof import('./ansi-text.ts');

/** Loaded with the first text that has colours. */
const ansi = signal<AnsiText | undefined>(undefined);
let isLoading = false;

/** Escape, its forms of eight bits, carriage return, backspace. */
const ESCAPES = ['\u001b', '\u009b', '\u009d', '\r', '\b'];

function loadAnsi(): void {
  if (isLoading) return;
  isLoading = true;
  import('./ansi-text.ts').then(
    (module) => {
      ansi.value = module;
    },
    () => {
      // The next text tries again: the server was away.
      isLoading = false;
    },
  );
}

/** Preformatted text with the colours of a terminal. */
export function PlainText({ text }: { readonly text: string }): VNode {
  const [line] = useAnsi([text]);
  return <pre class="plain">{line?.map(segmentView)}</pre>;
}

/** The looks of texts that follow each other. */
export function useAnsi(texts: readonly string[]): readonly (readonly Segment[])[] {
  const module = ansi.value;
  const key = texts.join('\u0000');
  return useMemo(() => {
    const hasEscapes = texts.some((text) => ESCAPES.some((one) => text.includes(one)));
    if (!hasEscapes) return texts.map((text) => [{ text: shownText(text), classes: '' }]);
    if (module !== undefined) return module.ansiLines(texts);
    loadAnsi();
    return texts.map((text) => [{ text: shownText(text), classes: '' }]);
  }, [key, module]);
}

export function segmentView({ text, classes, style }: Segment, at: number): VNode | string {
  if (classes === '' && style === undefined) return text;
  // Set as properties of the element: the policy allows no style in markup.
  return (
    <span key={at} class={classes} style={{ ...style }}>
      {text}
    </span>
  );
}
