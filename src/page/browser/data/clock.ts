import { signal } from '@preact/signals';

/** Milliseconds since 1970, once a second: for what is shown as a time from now. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);
