import { useSignal } from '@preact/signals';
import type { RefObject, VNode } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { TaskInput } from '../../../../client/api/shapes.ts';
import { go, place } from '../../data/route.ts';
import { Empty, Failure, Loading } from '../../ui/notice.tsx';
import { useWindowRows } from '../../ui/virtual.ts';
import type { RunLinks } from '../run-links.ts';
import { useAsked, useLineJump } from './line-jump.ts';
import { type LinePages, PAGE_LINES } from './line-pages.ts';
import { PagePlace, PageRows } from './page-rows.tsx';
import { PersonWords } from './person-words.tsx';
import { usePointing } from './pointing.ts';
import { InTranscript, type TranscriptContext } from './run-context.ts';
import { useScrollEnd } from './scroll-end.ts';
import { useFoundMarks } from './search/found-marks.ts';
import { OutputSearch } from './search/output-search.ts';
import { TranscriptBar } from './transcript-bar.tsx';
import { useTranscriptKeys } from './transcript-keys.ts';

export interface TranscriptProps {
  /** Of the task. They are kept while other parts of the run are shown. */
  readonly pages: LinePages;
  readonly status: string;
  /** Undefined while it is not known, and for a task without it. */
  readonly input: TaskInput | undefined;
  /** Whether the lines have their last order. */
  readonly isSettled: boolean;
  readonly links: RunLinks;
}

/** Pixels of a page that was not drawn yet. Browsers draw elements of about 17 million pixels in all. */
const PAGE_HEIGHT = 2_800;
const HEIGHT_MAX = 12_000_000;

/** Of the header, and the bar below it. */
const COVERED = 104;

const OVER = ['completed', 'failed', 'cancelled', 'abandoned'];

/** What was asked, and what the agent said and did: all lines of a run, live. */
export function Transcript({ pages, status, input: asked, isSettled, links }: TranscriptProps): VNode {
  const isLive = !OVER.includes(status);
  const search = useMemo(() => new OutputSearch(pages.path), [pages]);
  const target = useSignal<number | undefined>(undefined);
  const folded = useSignal<ReadonlySet<string>>(new Set());
  const opened = useMemo(() => new Map<string, boolean>(), [pages]);
  const copied = useSignal('');
  const hit = useSignal(-1);
  const input = useRef<HTMLInputElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const own = useRef('');
  const isFollowing = useScrollEnd(isLive && place.peek().hash === '', () => isLive);
  useLastOrder(pages, isSettled);
  useEffect(() => () => search.cancel(), [search]);
  const total = pages.total.value ?? 0;
  const count = Math.ceil(total / PAGE_LINES);
  const margin = useTop(body);
  const { rows, height, virtualizer } = useWindowRows({
    count,
    rowHeight: Math.max(200, Math.min(PAGE_HEIGHT, Math.floor(HEIGHT_MAX / Math.max(1, count)))),
    scrollMargin: margin,
    covered: COVERED,
    overscan: 1,
  });
  // A page that reaches into the window keeps its top: only what is above is made up for.
  virtualizer.shouldAdjustScrollPositionOnItemSizeChange = (item) =>
    item.end <= (virtualizer.scrollOffset ?? 0);
  const wanted = rows.map(({ index }) => index).join(' ');
  useEffect(() => pages.want(rows.map(({ index }) => index)), [wanted, total]);
  useOtherHalves(
    pages,
    rows.map(({ index }) => index),
    isLive,
  );
  const { show, stop } = useLineJump({ body, pages, virtualizer, isFollowing, target, folded });
  useTranscriptKeys({
    input,
    toStart: () => {
      isFollowing.value = false;
      stop();
      scrollTo(0, 0);
    },
    toEnd: () => {
      stop();
      isFollowing.value = true;
      scrollTo(0, document.documentElement.scrollHeight);
    },
    step: (by) => step(by),
  });
  const step = (by: number): void => {
    const hits = search.hits.value;
    if (hits.length === 0) return;
    hit.value = (hit.value + by + hits.length + (hit.value < 0 && by < 0 ? 1 : 0)) % hits.length;
    show(hits[hit.value] ?? 0);
  };
  useAsked({ pages, own, links, say: copied, show });
  usePointing({ body, pages, links });
  useFoundMarks(body, search.words.value);
  // The same one at each drawing: rows whose lines are the same are not drawn again.
  const context = useMemo<TranscriptContext>(() => {
    const copyLink = (number: number, eventId: string | undefined): void => {
      own.current = eventId ?? `line-${number + 1}`;
      target.value = number;
      go(`${location.pathname}${location.search}#${own.current}`, { replace: true });
      void copyAddress().then((text) => {
        copied.value = text;
      });
    };
    return { pages, pairs: pages.pairs, opened, target, folded, isLive, copyLink };
  }, [pages, opened, isLive]);
  const error = pages.error.value;
  const first = rows[0];
  const top = first === undefined ? 0 : first.start - margin;
  const bottom = first === undefined ? 0 : height - ((rows.at(-1)?.end ?? 0) - margin);
  return (
    <InTranscript.Provider value={context}>
      <section class="transcript" aria-label="Transcript">
        <TranscriptBar
          total={pages.total.value}
          notice={copied}
          isLive={isLive}
          isFollowing={isFollowing}
          search={search}
          hit={hit}
          input={input}
          onStep={step}
        />
        {asked !== undefined && <PersonWords input={asked} />}
        {error !== undefined && <Failure error={error} />}
        {pages.total.value === undefined && error === undefined && <Loading />}
        {pages.total.value === 0 && <NoLines isLive={isLive} />}
        <div class="output-lines" ref={body}>
          <div style={{ height: `${Math.max(0, top)}px` }} />
          {rows.map((row) => {
            const page = pages.page(row.index).value;
            return (
              <div key={row.key} data-index={row.index} class="output-page" ref={virtualizer.measureElement}>
                {page === undefined ? (
                  <PagePlace index={row.index} height={row.size} />
                ) : (
                  <PageRows index={row.index} page={page} isLive={isLive} />
                )}
              </div>
            );
          })}
          <div style={{ height: `${Math.max(0, bottom)}px` }} />
        </div>
      </section>
    </InTranscript.Provider>
  );
}

function NoLines({ isLive }: { readonly isLive: boolean }): VNode {
  return isLive ? (
    <Empty title="Nothing yet">
      <p>The agent's words appear here as it says them.</p>
    </Empty>
  ) : (
    <Empty title="The agent has said nothing">
      <p>Its error, if there was one, stands above; the delivery and the files are in the other tabs.</p>
    </Empty>
  );
}

/** A moment after the reader has stopped, and again while results may come. */
const LOOK_MS = 150;
const LOOK_AGAIN_MS = 2_000;

/** Looks for what belongs to the shown lines in other pages. */
function useOtherHalves(pages: LinePages, indexes: readonly number[], isLive: boolean): void {
  const loaded = indexes.map((index) => `${index}${pages.page(index).value === undefined ? '?' : ''}`);
  const key = loaded.join(' ');
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const look = async (): Promise<void> => {
      await pages.lookAround(indexes, abort.signal);
      if (isLive && !abort.signal.aborted) timer = setTimeout(() => void look(), LOOK_AGAIN_MS);
    };
    timer = setTimeout(() => void look(), LOOK_MS);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [pages, key, isLive]);
}

/** Reads the lines again when they were put in order. Those that are out of sight are not kept up to date. */
function useLastOrder(pages: LinePages, isSettled: boolean): void {
  const wasSettled = useRef(isSettled);
  useEffect(() => {
    if (isSettled && !wasSettled.current) pages.reload();
    wasSettled.current = isSettled;
  }, [isSettled]);
  useEffect(() => () => pages.want([]), [pages]);
}

/** Pixels between the top of the page and an element. What stands above it grows and shrinks. */
function useTop(element: RefObject<HTMLElement | null>): number {
  const top = useSignal(0);
  useLayoutEffect(() => {
    const measure = (): void => {
      const found = (element.current?.getBoundingClientRect().top ?? 0) + scrollY;
      if (Math.abs(found - top.peek()) >= 1) top.value = found;
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);
  return top.value;
}

/** Not on a page without TLS, where browsers have no clipboard. */
async function copyAddress(): Promise<string> {
  try {
    await navigator.clipboard.writeText(location.href);
    return 'The link was copied.';
  } catch {
    // NotAllowedError, or no clipboard: the address of the page is the link.
    return 'The address of the page is the link now.';
  }
}
