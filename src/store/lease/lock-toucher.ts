import { Worker } from 'node:worker_threads';

/** Interval of touches. */
const TOUCH_MS = 1_000;

/**
 * The thread touches for a main thread that has not run for this long, and no longer: a program that never goes on must
 * not hold the directory for ever.
 */
const BLOCKED_MS_MAX = 60_000;

/** A thread that only touches a file needs little. */
const LIMITS = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 } as const;

/**
 * Plain JavaScript of CommonJS, which runs as it is from TypeScript, from a package and from a bundle. Touches the lock while
 * it has the token, as long as the main thread is alive: `beats` changes with each of its own touches.
 */
const CODE = `
const { closeSync, constants, fstatSync, futimesSync, openSync, readFileSync } = require('node:fs');
const { workerData: { path, token, beats, touchMs, blockedMs } } = require('node:worker_threads');
let beat = -1;
let beatAt = 0;
setInterval(() => {
  const now = Date.now();
  const current = Atomics.load(beats, 0);
  if (current !== beat) {
    beat = current;
    beatAt = now;
    return;
  }
  if (now - beatAt > blockedMs) return;
  let fd;
  try {
    // A link is not followed, and a pipe not waited for: this thread could not be ended while it waits.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    if (fstatSync(fd).isFile() && JSON.parse(readFileSync(fd, 'utf8')).token === token)
      futimesSync(fd, now / 1000, now / 1000);
  } catch {
    // Missing, damaged, or without permission: the main thread handles it.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}, touchMs);
`;

/**
 * Touches a lock while the main thread is busy, for the program around it may compute for longer than a lock stays fresh.
 * Only touches: whether the lock is still owned, the main thread reads itself before it writes again.
 */
export class LockToucher {
  readonly #beats = new Int32Array(new SharedArrayBuffer(4));
  readonly #path: string;
  readonly #token: string;
  #worker: Worker | undefined;
  #isStopped = false;
  #isRefused = false;

  constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
  }

  /** The main thread is alive and has touched the lock. The second call starts the thread: short commands need none. */
  beat(): void {
    const before = Atomics.add(this.#beats, 0, 1);
    if (before === 0 || this.#isStopped || this.#worker !== undefined || this.#isRefused) return;
    try {
      this.#worker = this.#start();
    } catch {
      // ERR_ACCESS_DENIED: Node's permission model without --allow-worker. The main thread's own touches remain.
      this.#isRefused = true;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(CODE, {
      eval: true,
      // Neither the loaders nor the environment of the program.
      execArgv: [],
      env: {},
      resourceLimits: LIMITS,
      workerData: {
        path: this.#path,
        token: this.#token,
        beats: this.#beats,
        touchMs: TOUCH_MS,
        blockedMs: BLOCKED_MS_MAX,
      },
    });
    // Without the thread the main thread's own touches remain.
    worker.on('error', () => {});
    // Out of memory, or a failed close: the next beat starts another one.
    worker.on('exit', () => {
      this.#worker = undefined;
    });
    worker.unref();
    return worker;
  }
}
