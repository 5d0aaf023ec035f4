import { fsync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { withFile, writeWhole } from '../../system/descriptor.ts';
import { makeDirectory, replaceFile } from '../../system/durable.ts';
import { checkFolders } from '../../system/files/real-folders.ts';
import { checkLease, holdsLease } from '../../system/lease-guard.ts';
import { readMark, writeMark } from './mark-file.ts';
import { notifyDir, outboxNames, outboxPath, readOutbox } from './read-outbox.ts';
import type { NotifyStorage, OutboxLines } from './storage.ts';

const syncFile = promisify(fsync);

export interface FileStorageOptions {
  /** Whether this process still owns the directory. */
  isHeld(): boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Notifications below a log directory. */
export function fileStorage(logDir: string, { isHeld, now = Date.now }: FileStorageOptions): NotifyStorage {
  return {
    prepare: async () => {
      checkFolders(notifyDir(logDir), 1);
      await makeDirectory(notifyDir(logDir));
    },
    readMark: () => readMark(logDir),
    writeMark: (mark) => writeMark(logDir, mark),
    names: () => outboxNames(logDir),
    open: (receiver) => outboxFile(logDir, receiver),
    removeUnchanged: async (receiver, ms) => {
      const path = outboxPath(logDir, receiver);
      const { mtimeMs } = await stat(path);
      if (now() - mtimeMs > ms && holdsLease(true)) await rm(path, { force: true });
    },
    holds: async (isFresh) => isHeld() && holdsLease(isFresh),
  };
}

/** The JSONL file of a receiver. */
export function outboxFile(logDir: string, receiver: string): OutboxLines {
  const path = outboxPath(logDir, receiver);
  return {
    read: async () => (await readOutbox(logDir, receiver))?.state,
    append: async (text) => {
      checkFolders(notifyDir(logDir), 1);
      checkLease();
      await withFile(path, 'a', (fd) => writeWhole(fd, Buffer.from(text)));
    },
    replace: async (text) => {
      checkFolders(notifyDir(logDir), 1);
      await replaceFile(path, text);
    },
    sync: () => withFile(path, 'r+', (fd) => syncFile(fd)),
  };
}
