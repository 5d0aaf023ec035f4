import { setTimeout as delay } from 'node:timers/promises';
import type { Books } from '../../books.ts';
import type { JsonObject } from '../../model/json.ts';
import { redactValue } from '../../redact/redact.ts';
import type { WarehouseIndex } from '../../trail/search/warehouse-index.ts';
import { VictoriaLogs } from '../../warehouse/client.ts';
import { readServerState, type ServerState } from '../../warehouse/server-state.ts';
import type { OnceOnly } from './lease/once-only.ts';
import { STORE } from './row-journal.ts';

/** Interval at which VictoriaLogs is asked: also a service without requests says that it is away. */
const ASK_MS = 5_000;

/** Milliseconds for an answer. A busy one takes some seconds, and is not away. */
const ANSWER_MS = 10_000;

/** Milliseconds that `GET /api/health` waits for it. */
const WAIT_MS = 2_000;

/** Parts of `/readyz`. The first one is that of the sink: what is stored says the same. */
const WRITING = 'store';
const READING = 'reading from the store';

export interface StoreWatchOptions {
  readonly storeUrl: string;
  readonly tenant: string;
  readonly books: Books;
  readonly index: Pick<WarehouseIndex, 'state'>;
  readonly once: Pick<OnceOnly, 'lease'>;
  /** Default: 5 seconds. */
  readonly everyMs?: number;
}

const UNKNOWN: ServerState = {
  writing: null,
  reading: null,
  version: null,
  freeBytes: null,
  isReadOnly: null,
  aheadMs: null,
};

/** How the store of a service without a disk is, for `/readyz` and `GET /api/health`. */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  readonly #logs: VictoriaLogs;
  #last: ServerState | undefined;
  #asking: Promise<ServerState> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
    const times = { insertMs: ANSWER_MS, silenceMs: ANSWER_MS };
    // A part that is away is known by the answers that lack it.
    this.#logs = new VictoriaLogs(options.storeUrl, { ...times, isPartial: true });
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#ask(), this.#options.everyMs ?? ASK_MS).unref();
    void this.#ask();
  }

  /** `store` of `/readyz`: what is known without a question. */
  known(): JsonObject {
    const { tenant, books, index, once } = this.#options;
    const { writing, reading, version, freeBytes, isReadOnly } = this.#last ?? UNKNOWN;
    const state = index.state;
    const value = {
      system: 'victorialogs',
      address: this.#logs.name,
      tenant,
      problem: writing ?? reading,
      version,
      free_bytes: freeBytes,
      is_read_only: isReadOnly,
      waiting: books.snapshot().pending?.[STORE] ?? 0,
      index:
        state === undefined
          ? null
          : {
              is_complete: state.isComplete,
              tasks: state.indexed,
              waiting: state.waiting,
              problem: state.problem ?? null,
            },
      lease: once.lease,
    };
    return redactValue(value) as JsonObject;
  }

  /** The same, after VictoriaLogs was asked. */
  async read(): Promise<JsonObject> {
    const timer = new AbortController();
    const late = delay(WAIT_MS, 'late', { ref: false, signal: timer.signal });
    late.catch(() => {});
    const answer = await Promise.race([this.#ask(), late]);
    timer.abort();
    if (answer !== 'late') return this.known();
    return { ...this.known(), problem: `VictoriaLogs at ${this.#logs.name} does not answer in time` };
  }

  /** Waits for no answer: one that hangs would keep the process. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #ask(): Promise<ServerState> {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askOnce(): Promise<ServerState> {
    const { books } = this.#options;
    const state = await readServerState(this.#logs);
    this.#last = state;
    if (this.#isClosed) return state;
    books.setReason(WRITING, state.writing ?? undefined);
    // What is sent is stored all the same.
    books.setNotice(READING, state.writing === null ? (state.reading ?? undefined) : undefined);
    return state;
  }
}
