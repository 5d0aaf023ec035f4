import type { VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { isCutLine, type LoadedLine } from '../loaded-line.ts';
import { CutText } from './cut-text.tsx';
import { shownText } from './shown-text.ts';
import { withoutSequences } from './terminal-text.ts';

type Render = typeof import('./markdown-render.ts').renderMarkdown;

let render: Render | undefined;
let loading: Promise<Render> | undefined;

function loadRender(): Promise<Render> {
  loading ??= import('./markdown-render.ts').then(
    (module) => {
      render = module.renderMarkdown;
      return render;
    },
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** The message of a model. A long one is shown as it is. */
export function Message({ line }: { readonly line: LoadedLine }): VNode {
  return isCutLine(line) ? <CutText line={line} /> : <Markdown text={line.line.content} />;
}

/** Text with markup. Until the renderer is there, and where it fails, the text itself. */
export function Markdown({ text }: { readonly text: string }): VNode {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    let isCurrent = true;
    const show = (renderer: Render): void => {
      if (isCurrent && element.current !== null) fill(element.current, text, renderer);
    };
    if (element.current !== null) element.current.textContent = plainText(text);
    if (render !== undefined) show(render);
    else
      loadRender().then(show, () => {
        // The text stands there as it is.
      });
    return () => {
      isCurrent = false;
    };
  }, [text]);
  return <div class="markdown" ref={element} />;
}

function fill(element: HTMLElement, text: string, renderer: Render): void {
  try {
    element.replaceChildren(renderer(plainText(text)));
    element.classList.add('is-rendered');
  } catch {
    // RangeError: it nests too deep. The text stays as it is.
    element.textContent = plainText(text);
  }
}

function plainText(text: string): string {
  return shownText(withoutSequences(text));
}
