import { watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { makeDirectorySync } from '../system/make-directory.ts';

/** Several segments that come together are claimed together. */
const GATHER_MS = 10;

export interface JournalWatch {
  close(): void;
}

/**
 * Calls `onChange` soon after a name in the journal's directory came, went or changed, so that what a short-lived
 * process left is found at once. Where the system cannot tell (some network disks), whoever asks each second finds it.
 */
export function watchJournal(
  directory: string,
  onChange: () => Promise<void>,
  onFailure: (reason: string) => void,
): JournalWatch {
  let isWaiting = false;
  let isClosed = false;
  const gather = async (): Promise<void> => {
    if (isWaiting) return;
    isWaiting = true;
    await delay(GATHER_MS, undefined, { ref: false });
    isWaiting = false;
    if (!isClosed) await onChange();
  };
  try {
    makeDirectorySync(directory, 0o700);
    const watcher = watch(directory, { persistent: false }, (event) => {
      if (event === 'rename') void gather();
    });
    watcher.on('error', (error) => onFailure(messageOf(error)));
    return {
      close: () => {
        isClosed = true;
        watcher.close();
      },
    };
  } catch (error) {
    onFailure(messageOf(error));
    return { close: () => {} };
  }
}
