import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect } from 'preact/hooks';

/** Pixels from the end of the page that count as the end. */
const NEAR = 4;

/**
 * Keeps the window at its end while `isOn`. A move up by the reader ends that; with `resumes` a move to the end begins it
 * again.
 */
export function useScrollEnd(isFirst: boolean, resumes: () => boolean): Signal<boolean> {
  const isOn = useSignal(isFirst);
  useLayoutEffect(() => {
    if (isOn.peek()) scrollToEnd();
  });
  useEffect(() => {
    let last = scrollY;
    let height = document.documentElement.scrollHeight;
    const onScroll = (): void => {
      const { scrollHeight, clientHeight } = document.documentElement;
      const left = scrollHeight - clientHeight - scrollY;
      // A page that becomes shorter scrolls up by itself.
      if (scrollY < last - 2 && scrollHeight >= height) isOn.value = false;
      else if (scrollY > last && left <= NEAR && resumes()) isOn.value = true;
      last = scrollY;
      height = scrollHeight;
    };
    addEventListener('scroll', onScroll, { passive: true });
    // Before the first move: what comes meanwhile would undo it.
    const onWheel = ({ deltaY }: WheelEvent): void => {
      if (deltaY < 0) isOn.value = false;
    };
    const onTouch = (): void => {
      isOn.value = false;
    };
    // A row that is opened stays where it is.
    const onClick = ({ target }: MouseEvent): void => {
      if (target instanceof Element && target.closest('.output-lines') !== null) isOn.value = false;
    };
    addEventListener('wheel', onWheel, { passive: true });
    addEventListener('touchmove', onTouch, { passive: true });
    addEventListener('click', onClick, { capture: true });
    const observer = new ResizeObserver(() => {
      if (isOn.peek()) scrollToEnd();
    });
    observer.observe(document.body);
    return () => {
      removeEventListener('scroll', onScroll);
      removeEventListener('wheel', onWheel);
      removeEventListener('touchmove', onTouch);
      removeEventListener('click', onClick, { capture: true });
      observer.disconnect();
    };
  }, []);
  return isOn;
}

function scrollToEnd(): void {
  scrollTo(0, document.documentElement.scrollHeight);
}
