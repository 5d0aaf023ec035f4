import { useEffect } from 'preact/hooks';

const AGAIN_MS = 5_000;

/** Loads again every five seconds, for what has no stream. Not while the page is out of sight. */
export function usePolling(reload: () => void): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
}
