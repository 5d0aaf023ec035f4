import { computed, type ReadonlySignal, signal } from '@preact/signals';

/** The path below which the page is mounted, with a slash at its end. */
const BASE = new URL(document.baseURI).pathname;

const current = signal(here());

/** Where the page is: the path below its mount, and the query. */
export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
  /** Of the URL, without `#`. */
  readonly hash: string;
}

export const place: ReadonlySignal<Place> = computed(() => {
  const url = new URL(current.value, location.origin);
  const path = url.pathname.startsWith(BASE) ? `/${url.pathname.slice(BASE.length)}` : '/';
  return { path, query: url.searchParams, hash: decode(url.hash.slice(1)) };
});

/** The address of a path of the page. */
export function href(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const search = new URLSearchParams(given).toString();
  return BASE + path.replace(/^\//, '') + (search === '' ? '' : `?${search}`);
}

/** Goes to an address of `href`. `replace` leaves no entry in the history: of each typed letter there would be one. */
export function go(address: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (address === here()) return;
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  current.value = here();
  if (!replace) scrollTo(0, 0);
}

/** Follows links inside the page without loading it again. */
export function startRouting(): void {
  addEventListener('popstate', () => {
    current.value = here();
  });
  addEventListener('hashchange', () => {
    current.value = here();
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download')) return;
    const url = new URL(link.href, location.href);
    const isOwn = url.origin === location.origin && url.pathname.startsWith(BASE);
    if (!isOwn || !isPagePath(`/${url.pathname.slice(BASE.length)}`)) return;
    event.preventDefault();
    go(url.pathname + url.search + url.hash);
  });
}

const PAGES = /^\/(?:$|tasks\/|workflows(?:\/|$)|deliveries$|numbers$|health$)/;

/** The API, the files and `/metrics` are no pages. */
function isPagePath(path: string): boolean {
  return PAGES.test(path);
}

function here(): string {
  return location.pathname + location.search + location.hash;
}

/** Percent-encoding of an address. What is no valid one stays. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // URIError: an address that was typed by hand.
    return text;
  }
}
