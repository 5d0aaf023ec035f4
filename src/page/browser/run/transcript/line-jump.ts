import { type Signal, useSignalEffect } from '@preact/signals';
import type { Virtualizer } from '@tanstack/virtual-core';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { place } from '../../data/route.ts';
import type { RunLinks } from '../run-links.ts';
import { type LinePages, PAGE_LINES } from './line-pages.ts';

/**
 * On the way to a line the heights of other pages get known, and a move that was not over may go on: the place is looked
 * for again. A slow server has some seconds.
 */
const STEP_MS = 100;
const STEPS_MAX = 100;

/** Steps in which the line stayed in the window and all around it was loaded, before it is left alone. */
const CALM_STEPS = 3;

interface Jump {
  readonly number: number;
  calm: number;
  isCentered: boolean;
}

export interface LineJump {
  readonly body: RefObject<HTMLElement | null>;
  readonly pages: LinePages;
  readonly virtualizer: Virtualizer<Window, Element>;
  readonly isFollowing: Signal<boolean>;
  readonly target: Signal<number | undefined>;
  readonly folded: Signal<ReadonlySet<string>>;
}

/** Goes to lines, wherever they are. `stop`: the reader goes elsewhere. */
export function useLineJump({ body, pages, virtualizer, isFollowing, target, folded }: LineJump): {
  show(number: number): void;
  stop(): void;
} {
  const jump = useRef<Jump | undefined>(undefined);
  const stop = (): void => {
    jump.current = undefined;
  };
  // Each time something was drawn: the line may be there now.
  useLayoutEffect(() => void arrive(body.current, jump.current, pages));
  useEffect(() => {
    const moves = ['wheel', 'touchmove', 'pointerdown', 'keydown'];
    for (const move of moves) addEventListener(move, stop, { capture: true, passive: true });
    return () => {
      for (const move of moves) removeEventListener(move, stop, { capture: true });
    };
  }, []);
  const step = (own: Jump, left: number): void => {
    if (jump.current !== own) return;
    const hasArrived = arrive(body.current, own, pages);
    // Pages around it that come later push it away again.
    own.calm = hasArrived && body.current?.querySelector('.page-place') === null ? own.calm + 1 : 0;
    const index = Math.floor(shownWith(own.number, pages) / PAGE_LINES);
    const offset = virtualizer.getOffsetForIndex(index, 'start');
    if (left === 0 || own.calm > CALM_STEPS || offset === undefined) {
      stop();
      return;
    }
    if (!hasArrived && Math.abs(scrollY - offset[0]) > 1) scrollTo(0, offset[0]);
    setTimeout(() => step(own, left - 1), STEP_MS);
  };
  return {
    show: (number) => {
      isFollowing.value = false;
      target.value = number;
      const own = { number, calm: 0, isCentered: false };
      jump.current = own;
      // The line may be one of a sub-agent.
      if (folded.peek().size > 0) folded.value = new Set();
      step(own, STEPS_MAX);
    },
    stop,
  };
}

export interface AskedLine {
  readonly pages: LinePages;
  /** The part of the address that this page has set itself. */
  readonly own: { current: string };
  readonly links: RunLinks;
  readonly say: Signal<string>;
  show(number: number): void;
}

/** Shows the line of the address, and the call that another part of the view shows. */
export function useAsked({ pages, own, links, say, show }: AskedLine): void {
  const { hash } = place.value;
  useEffect(() => {
    if (hash === '' || hash === own.current || pages.total.value === undefined) return;
    own.current = hash;
    void numberOfHash(hash, pages).then(
      (number) => {
        if (number === undefined) say.value = 'This run has no such line.';
        else show(Math.min(number, Math.max(0, (pages.total.peek() ?? 1) - 1)));
      },
      () => {
        say.value = 'The line was not found: the server does not answer.';
      },
    );
  }, [hash, pages.total.value === undefined]);
  useSignalEffect(() => {
    const chosen = links.chosen.value;
    if (chosen?.call === undefined || chosen.by !== 'timeline') return undefined;
    const abort = new AbortController();
    const wanted = { id: chosen.call, atMs: chosen.startMs };
    void pages.numberOfCall(wanted, abort.signal).then(
      (number) => {
        if (number !== undefined && !abort.signal.aborted) show(number);
      },
      () => {
        // Another call was chosen, or the server does not answer: the view says so.
      },
    );
    return () => abort.abort();
  });
}

function elementOf(root: Element | null, number: number): Element | null {
  return root?.querySelector(`[data-line~="${number}"]`) ?? null;
}

/** The line in whose row another one is shown: of a damaged line the one before it, of a result its call. */
function shownWith(number: number, pages: LinePages): number {
  const page = pages.page(Math.floor(number / PAGE_LINES)).peek();
  const line = page?.lines.findLast((one) => one.number <= number) ?? page?.lines[0];
  if (line === undefined) return number;
  return (pages.pairs.callOf(line) ?? line).number;
}

/** Scrolls to the line that was asked for, when it is drawn and not in the window. Whether it is drawn. */
function arrive(root: Element | null, jump: Jump | undefined, pages: LinePages): boolean {
  if (jump === undefined) return false;
  const element = elementOf(root, jump.number) ?? elementOf(root, shownWith(jump.number, pages));
  if (element === null) return false;
  const { top, bottom } = element.getBoundingClientRect();
  if (!jump.isCentered || top > innerHeight || bottom < 0) element.scrollIntoView({ block: 'center' });
  jump.isCentered = true;
  return true;
}

async function numberOfHash(hash: string, pages: LinePages): Promise<number | undefined> {
  const number = /^line-(\d{1,12})$/.exec(hash)?.[1];
  if (number !== undefined) return Math.max(0, Number(number) - 1);
  return hash === 'main' ? undefined : pages.numberOf(hash);
}
