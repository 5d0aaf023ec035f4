import type { Books } from '../books.ts';
import type { Config } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import {
  findUnreadable,
  stillUnreadable,
  type Unreadable,
  unreadableText,
} from '../store/keep/unreadable.ts';

/** The search asks for the permissions of every task; after that only what was found is looked at. */
const SEARCH_MS = 3_600_000;
const CHECK_MS = 10_000;

export interface UnreadableWatchOptions {
  readonly config: Config;
  readonly books: Books;
  readonly recovered: Promise<void>;
  log(line: string): void;
}

/** Names in `/readyz` what the service leaves out because it cannot be read, until it can be. */
export function watchUnreadable(options: UnreadableWatchOptions): { close(): void } {
  const { config, books, recovered, log } = options;
  let found: readonly Unreadable[] = [];
  let isBusy = false;
  let isClosed = false;
  const run = async (look: () => Promise<readonly Unreadable[]>): Promise<void> => {
    if (isBusy || isClosed) return;
    isBusy = true;
    try {
      found = await look();
      books.setNotice('unreadable files', unreadableText(found));
    } catch (error) {
      books.setNotice(
        'unreadable files',
        `the log directory cannot be searched for them: ${messageOf(error)}`,
      );
    } finally {
      isBusy = false;
    }
  };
  const search = (): Promise<void> => run(() => findUnreadable(config.logDir, config.workflowDir));
  void recovered.then(search).then(() => {
    const text = unreadableText(found);
    if (text !== undefined && !isClosed) log(`${config.logDir}: ${text}`);
  });
  const searches = setInterval(() => void search(), SEARCH_MS).unref();
  const checks = setInterval(() => {
    if (found.length > 0) void run(() => stillUnreadable(found));
  }, CHECK_MS).unref();
  return {
    close: () => {
      isClosed = true;
      clearInterval(searches);
      clearInterval(checks);
    },
  };
}
