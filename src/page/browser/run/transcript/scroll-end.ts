import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect } from 'preact/hooks';

/** Pixels from the end of the page that count as the end. */
const NEAR = 40;

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
      if (scrollY < last - 2 && scrollHeight >= height && left > NEAR) isOn.value = false;
      else if (scrollY > last && left <= 2 && resumes()) isOn.value = true;
      last = scrollY;
      height = scrollHeight;
    };
    addEventListener('scroll', onScroll, { passive: true });
    const observer = new ResizeObserver(() => {
      if (isOn.peek()) scrollToEnd();
    });
    observer.observe(document.body);
    return () => {
      removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, []);
  return isOn;
}

function scrollToEnd(): void {
  scrollTo(0, document.documentElement.scrollHeight);
}
