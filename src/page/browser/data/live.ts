import { signal } from '@preact/signals';
import { apiUrl, type Query } from './api.ts';

export type Connection = 'off' | 'connecting' | 'open' | 'lost';

/** The state of the one stream of this tab. */
export const connection = signal<Connection>('off');

/** Handlers by event, with the parsed data and the place of the event. */
export type Handlers = Readonly<Record<string, (data: unknown, id: string) => void>>;

let source: EventSource | undefined;

/** Milliseconds until the next try, for what `EventSource` does not try again itself (a 503, a proxy's page). */
const AGAIN_MS = 2_000;

/**
 * Opens the stream of this tab in place of the one before: browsers open few connections to one host. `EventSource` connects
 * again after a break, behind the last event. Returns what closes it.
 */
export function follow(path: string, query: Query, handlers: Handlers): () => void {
  source?.close();
  let last = typeof query.after === 'string' ? query.after : undefined;
  let own: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  // What is over gets nothing new: the server closes the stream once the last line is stored.
  let isOver = false;
  const open = (): void => {
    const opened = new EventSource(apiUrl(path, { ...query, after: last }));
    own = opened;
    source = opened;
    connection.value = 'connecting';
    opened.onopen = () => {
      if (source === opened) connection.value = 'open';
    };
    opened.onerror = () => {
      if (source !== opened) return;
      connection.value = isOver ? 'off' : 'lost';
      if (opened.readyState === EventSource.CLOSED && !isClosed && !isOver)
        timer = setTimeout(open, AGAIN_MS);
    };
    for (const [event, handle] of Object.entries(handlers)) {
      opened.addEventListener(event, (message: MessageEvent<string>) => {
        if (message.lastEventId !== '') last = message.lastEventId;
        isOver = event === 'end' || (isOver && event !== 'reset');
        handle(JSON.parse(message.data), message.lastEventId);
      });
    }
  };
  open();
  return () => {
    isClosed = true;
    clearTimeout(timer);
    own?.close();
    if (source === own) {
      source = undefined;
      connection.value = 'off';
    }
  };
}
