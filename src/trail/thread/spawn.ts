import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import { processEnvironment } from '../../config/environment.ts';
import { messageOf } from '../../errors.ts';
import type { Port } from './channel.ts';
import type { ThreadStart } from './thread-start.ts';

/** The compiled file of the thread. It is missing in a bundle, and in a program that runs from TypeScript. */
const ENTRY = 'thread-main.js';

/**
 * Memory for new objects, which V8 keeps once it has grown. With its default of 48 the thread takes 32 MB for good after some
 * requests; the CPU of a webhook is the same with 12.
 */
const YOUNG_MB_MAX = 12;

/** A running holder's program. */
export interface Running {
  readonly port: Port;
  /** Undefined when it has a thread of its own, else why not. */
  readonly whyNoThread: string | undefined;
  /** Once, when it has ended by itself or by `end`: with the reason. All its messages were received before. */
  onEnd(listener: (reason: string) => void): void;
  /** From now on it does not keep the process alive. */
  unref(): void;
  /** Ends it at once. Resolves when it has ended. */
  end(): Promise<void>;
}

/** Starts the holder's program in a thread, or in this thread where none can be started. */
export async function startProgram(
  start: ThreadStart,
  entry: URL | undefined = besideThisFile(),
): Promise<Running> {
  const path = entry && fileURLToPath(entry);
  if (entry === undefined || path === undefined || !existsSync(path))
    return startHere(start, `${path ?? ENTRY} is missing`);
  try {
    return startThread(start, entry);
  } catch (error) {
    // ERR_ACCESS_DENIED: Node's permission model without --allow-worker.
    return startHere(start, messageOf(error));
  }
}

/** Undefined in a bundle of the CommonJS format, in which a module has no address. */
function besideThisFile(): URL | undefined {
  const { url }: { readonly url?: string } = import.meta;
  return url === undefined ? undefined : new URL(`./${ENTRY}`, url);
}

function startThread(start: ThreadStart, entry: URL): Running {
  const worker = new Worker(entry, {
    workerData: start,
    name: 'tasktrail',
    // Not the loaders of the user's program: neither from its arguments nor from its environment.
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
    env: { ...processEnvironment().variables, NODE_OPTIONS: undefined },
  });
  let reason: string | undefined;
  worker.on('error', (error) => {
    reason = messageOf(error);
  });
  return {
    port: worker,
    whyNoThread: undefined,
    onEnd: (listener) => {
      worker.on('exit', (code) => listener(reason ?? `it ended with the code ${code}`));
    },
    unref: () => worker.unref(),
    end: async () => {
      await worker.terminate();
    },
  };
}

/** The same program and the same messages, in this thread. */
export async function startHere(start: ThreadStart, whyNoThread: string): Promise<Running> {
  const { port1, port2 } = new MessageChannel();
  const { runHolderProgram } = await import('./program.ts');
  void runHolderProgram(port2, start);
  return {
    port: port1,
    whyNoThread,
    onEnd: (listener) => {
      port1.on('close', () => listener('it was closed'));
    },
    unref: () => {
      port1.unref();
      port2.unref();
    },
    end: async () => port1.close(),
  };
}
