import { useSignalEffect } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import { isSameCall, type Pointed, type RunLinks } from '../run-links.ts';
import { type LinePages, PAGE_LINES } from './line-pages.ts';
import type { LoadedLine } from './loaded-line.ts';

export interface Pointing {
  readonly body: RefObject<HTMLElement | null>;
  readonly pages: LinePages;
  readonly links: RunLinks;
}

/** Marks the lines of the span that is pointed at, and says which call the pointer or the focus is on. */
export function usePointing({ body, pages, links }: Pointing): void {
  const draw = (): void => mark(body.current, links.pointed.peek(), pages);
  useSignalEffect(() => mark(body.current, links.pointed.value, pages));
  // Each time something was drawn.
  useEffect(draw);
  useEffect(() => {
    const element = body.current;
    if (element === null) return undefined;
    const on = ({ target }: Event): void => {
      links.pointed.value = pointedIn(target, pages);
    };
    const off = (): void => {
      links.pointed.value = undefined;
    };
    const choose = ({ target }: Event): void => {
      const isTool = target instanceof Element && target.closest('.tool > .fold-head') !== null;
      const pointed = isTool ? pointedIn(target, pages) : undefined;
      if (pointed !== undefined) links.chosen.value = pointed;
    };
    element.addEventListener('mouseover', on);
    element.addEventListener('focusin', on);
    element.addEventListener('mouseleave', off);
    element.addEventListener('focusout', off);
    element.addEventListener('click', choose);
    return () => {
      element.removeEventListener('mouseover', on);
      element.removeEventListener('focusin', on);
      element.removeEventListener('mouseleave', off);
      element.removeEventListener('focusout', off);
      element.removeEventListener('click', choose);
    };
  }, [pages, links]);
}

/** An attribute that no row sets: drawing a row again leaves it. */
const MARK = 'data-pointed';

function mark(root: Element | null, pointed: Pointed | undefined, pages: LinePages): void {
  if (root === null) return;
  if (pointed?.by !== 'timeline') {
    for (const element of root.querySelectorAll(`[${MARK}]`)) element.removeAttribute(MARK);
    return;
  }
  for (const element of root.querySelectorAll('[data-line]')) {
    const line = lineOf(element, pages);
    element.toggleAttribute(MARK, line !== undefined && isOf(line, pointed));
  }
}

/** Whether a line is of a span: of its call, of the sub-agent that this call has started, or of its time. */
function isOf({ line }: LoadedLine, pointed: Pointed): boolean {
  const at = Date.parse(line.timestamp);
  if (pointed.call === undefined) return at >= pointed.startMs && at <= pointed.endMs;
  const isNamed = line.tool_use_id === pointed.call || line.parent_tool_use_id === pointed.call;
  return isNamed && isSameCall(pointed, { call: pointed.call, startMs: at, endMs: at });
}

function pointedIn(target: EventTarget | null, pages: LinePages): Pointed | undefined {
  const element = target instanceof Element ? target.closest('[data-line]') : null;
  const line = element === null ? undefined : lineOf(element, pages);
  if (line === undefined) return undefined;
  const { type } = line.line;
  const isCall = type === 'tool_call' || type === 'tool_result';
  const id = isCall ? line.line.tool_use_id : line.line.parent_tool_use_id;
  if (typeof id !== 'string') return undefined;
  const call = isCall ? (pages.pairs.callOf(line) ?? line) : (pages.pairs.parentOf(line) ?? line);
  const result = pages.pairs.resultOf(call);
  return {
    by: 'transcript',
    call: id,
    startMs: Date.parse(call.line.timestamp),
    endMs: result === undefined ? Date.now() : Date.parse(result.line.timestamp),
  };
}

function lineOf(element: Element, pages: LinePages): LoadedLine | undefined {
  const number = Number.parseInt(element.getAttribute('data-line') ?? '', 10);
  const page = pages.page(Math.floor(number / PAGE_LINES)).peek();
  return page?.lines.find((line) => line.number === number);
}
