import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  observeWindowOffset,
  observeWindowRect,
  type VirtualItem,
  Virtualizer,
  type VirtualizerOptions,
  windowScroll,
} from '@tanstack/virtual-core';
import { useLayoutEffect, useMemo, useReducer } from 'preact/hooks';

export interface VirtualOptions {
  readonly count: number;
  /** Pixels of a row that has not been measured. */
  readonly rowHeight: number;
  /** Rows beyond the visible ones. */
  readonly overscan?: number;
  /** Pixels between the top of the scrolled area and the first row. */
  readonly scrollMargin?: number;
  /** Pixels at the top that something covers, as a sticky header does. */
  readonly covered?: number;
  keyOf?(index: number): string | number;
}

interface VirtualRows<E extends Element | Window> {
  readonly rows: readonly VirtualItem[];
  /** Pixels of all rows. */
  readonly height: number;
  readonly virtualizer: Virtualizer<E, Element>;
}

/** The visible rows of a list that the window scrolls. */
export function useWindowRows(options: VirtualOptions): VirtualRows<Window> {
  return useRows<Window>(options, {
    getScrollElement: () => window,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    initialOffset: () => window.scrollY,
  });
}

/** The visible rows of a list that scrolls inside an element. */
export function useElementRows(
  element: () => HTMLElement | null,
  options: VirtualOptions,
): VirtualRows<HTMLElement> {
  return useRows<HTMLElement>(options, {
    getScrollElement: element,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
  });
}

type Scrolled<E extends Element | Window> = Pick<
  VirtualizerOptions<E, Element>,
  'getScrollElement' | 'observeElementRect' | 'observeElementOffset' | 'scrollToFn' | 'initialOffset'
>;

function useRows<E extends Element | Window>(options: VirtualOptions, scrolled: Scrolled<E>): VirtualRows<E> {
  const [, update] = useReducer((n: number) => n + 1, 0);
  const given = { ...common(options, () => update(0)), ...scrolled };
  const virtualizer = useMemo(() => new Virtualizer<E, Element>(given), []);
  virtualizer.setOptions(given);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  return { rows: virtualizer.getVirtualItems(), height: virtualizer.getTotalSize(), virtualizer };
}

function common(
  { count, rowHeight, overscan = 8, scrollMargin = 0, covered = 0, keyOf }: VirtualOptions,
  onChange: () => void,
): {
  count: number;
  overscan: number;
  scrollMargin: number;
  scrollPaddingStart: number;
  estimateSize(): number;
  onChange(): void;
  getItemKey?(index: number): string | number;
} {
  return {
    count,
    overscan,
    scrollMargin,
    scrollPaddingStart: covered,
    estimateSize: () => rowHeight,
    onChange,
    ...(keyOf !== undefined && { getItemKey: keyOf }),
  };
}
