import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import type { RefObject, VNode } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { go, place } from '../../data/route.ts';
import { Empty, Failure, Loading } from '../../ui/notice.tsx';
import { useWindowRows } from '../../ui/virtual.ts';
import type { LiveLines } from '../live-lines.ts';
import { LinePages, PAGE_LINES } from './line-pages.ts';
import { PagePlace, PageRows } from './page-rows.tsx';
import { PersonWords } from './person-words.tsx';
import { InTranscript, type TranscriptContext } from './run-context.ts';
import { useScrollEnd } from './scroll-end.ts';
import { markFound } from './search/found-marks.ts';
import { OutputSearch } from './search/output-search.ts';
import { TranscriptBar } from './transcript-bar.tsx';
import { useTranscriptKeys } from './transcript-keys.ts';

export interface TranscriptProps {
  /** Of the task. */
  readonly id: string;
  readonly status: string;
  /** Whether the lines have their last order. */
  readonly isSettled: boolean;
  readonly lines: LiveLines;
  /** The call of a tool that another part of the view shows: the transcript goes to it. */
  readonly chosenCall: Signal<string | undefined>;
}

/** Pixels of a page that was not drawn yet. Browsers draw elements of about 17 million pixels in all. */
const PAGE_HEIGHT = 2_800;
const HEIGHT_MAX = 12_000_000;

/** Of the header, and the bar below it. */
const COVERED = 104;

/**
 * On the way to a line the heights of other pages get known, and a move that was not over may go on: the place is looked
 * for again. A slow server has some seconds.
 */
const STEP_MS = 100;
const STEPS_MAX = 100;

const OVER = ['completed', 'failed', 'cancelled', 'abandoned'];

/** What was asked, and what the agent said and did: all lines of a run, live. */
export function Transcript({ id, status, isSettled, lines, chosenCall }: TranscriptProps): VNode {
  const isLive = !OVER.includes(status);
  const pages = useMemo(() => new LinePages(id), [id]);
  const search = useMemo(() => new OutputSearch(pages.path), [pages]);
  const target = useSignal<number | undefined>(undefined);
  const folded = useSignal<ReadonlySet<string>>(new Set());
  const opened = useMemo(() => new Map<string, boolean>(), [id]);
  const copied = useSignal('');
  const hit = useSignal(-1);
  const input = useRef<HTMLInputElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const jump = useRef<number | undefined>(undefined);
  const own = useRef('');
  const isFollowing = useScrollEnd(
    isLive && place.peek().hash === '',
    () => isLive && jump.current === undefined,
  );
  useLive(pages, lines, isSettled);
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
  const show = (number: number): void => {
    isFollowing.value = false;
    target.value = number;
    jump.current = number;
    // The line may be one of a sub-agent.
    if (folded.peek().size > 0) folded.value = new Set();
    const step = (left: number): void => {
      if (jump.current !== number) return;
      arrive(body.current, jump, pages);
      const offset = virtualizer.getOffsetForIndex(Math.floor(number / PAGE_LINES), 'start');
      if (jump.current !== number || offset === undefined) return;
      if (left === 0) {
        jump.current = undefined;
        return;
      }
      if (Math.abs(scrollY - offset[0]) > 1) scrollTo(0, offset[0]);
      setTimeout(() => step(left - 1), STEP_MS);
    };
    step(STEPS_MAX);
  };
  // Each time something was drawn: the line may be there now.
  useLayoutEffect(() => arrive(body.current, jump, pages));
  useTranscriptKeys({
    input,
    toStart: () => {
      isFollowing.value = false;
      jump.current = undefined;
      scrollTo(0, 0);
    },
    toEnd: () => {
      jump.current = undefined;
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
  const { hash } = place.value;
  useEffect(() => {
    if (hash === '' || hash === own.current || pages.total.value === undefined) return;
    own.current = hash;
    void numberOfHash(hash, pages).then(
      (number) => {
        if (number === undefined) copied.value = 'This run has no such line.';
        else show(Math.min(number, Math.max(0, (pages.total.peek() ?? 1) - 1)));
      },
      () => {
        copied.value = 'The line was not found: the server does not answer.';
      },
    );
  }, [hash, pages.total.value === undefined]);
  useSignalEffect(() => {
    const call = chosenCall.value;
    if (call === undefined) return undefined;
    const abort = new AbortController();
    void pages.numberOfCall(call, abort.signal).then(
      (number) => {
        if (number !== undefined && !abort.signal.aborted) show(number);
      },
      () => {
        // Another call was chosen, or the server does not answer: the view says so.
      },
    );
    return () => abort.abort();
  });
  const words = search.words.value;
  useEffect(() => {
    const frame = requestAnimationFrame(() => markFound(body.current, words));
    return () => cancelAnimationFrame(frame);
  });
  useEffect(() => () => markFound(null, ''), []);
  const context: TranscriptContext = {
    pages,
    pairs: pages.pairs,
    opened,
    target,
    folded,
    isLive,
    copyLink: (number, eventId) => {
      own.current = eventId ?? `line-${number + 1}`;
      target.value = number;
      go(`${location.pathname}${location.search}#${own.current}`, { replace: true });
      void copyAddress().then((text) => {
        copied.value = text;
      });
    },
  };
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
        <PersonWords id={id} />
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
                  <PageRows index={row.index} page={page} />
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

/** Follows the run, and reads the lines again when they were put in order. */
function useLive(pages: LinePages, lines: LiveLines, isSettled: boolean): void {
  const wasSettled = useRef(isSettled);
  useEffect(() => {
    const stop = lines.follow({ line: () => void pages.poll(), again: () => pages.reload() });
    // After the stream is open: nothing is missed.
    void pages.poll();
    return () => {
      stop();
      pages.close();
    };
  }, [pages, lines]);
  useEffect(() => {
    if (isSettled && !wasSettled.current) pages.reload();
    wasSettled.current = isSettled;
  }, [isSettled]);
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

function elementOf(root: Element | null, number: number): Element | null {
  return root?.querySelector(`[data-line~="${number}"]`) ?? null;
}

/** Scrolls to the line that was asked for, once it is drawn. A result stands in the row of its call. */
function arrive(root: Element | null, jump: { current: number | undefined }, pages: LinePages): void {
  const number = jump.current;
  if (number === undefined) return;
  const page = pages.page(Math.floor(number / PAGE_LINES)).peek();
  // A damaged line is not there: the one before it is.
  const line = page?.lines.findLast((one) => one.number <= number) ?? page?.lines[0];
  if (line === undefined) return;
  const call = pages.pairs.callOf(line);
  const element = elementOf(root, line.number) ?? (call === undefined ? null : elementOf(root, call.number));
  if (element === null) return;
  jump.current = undefined;
  const center = (): void => element.scrollIntoView({ block: 'center' });
  center();
  // What is around it gets its height now.
  requestAnimationFrame(() => requestAnimationFrame(center));
}

async function numberOfHash(hash: string, pages: LinePages): Promise<number | undefined> {
  const number = /^line-(\d{1,12})$/.exec(hash)?.[1];
  if (number !== undefined) return Math.max(0, Number(number) - 1);
  return hash === 'main' ? undefined : pages.numberOf(hash);
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
