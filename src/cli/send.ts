import { setTimeout as delay } from 'node:timers/promises';
import { Books } from '../books.ts';
import { type Config, loadConfig } from '../config/config.ts';
import { envFileNotes } from '../config/environment.ts';
import { messageOf, TasktrailError } from '../errors.ts';
import type { Sender } from '../export/sender.ts';
import { destinationsOf } from '../journal/destination.ts';
import { Journal } from '../journal/journal.ts';
import { journalLimitOf } from '../journal/journal-limit.ts';
import { journalDir } from '../journal/lone-record.ts';
import { findHolder } from '../store/lock.ts';
import { createSenders, HOLDER } from '../trail/destinations.ts';
import type { Holder } from '../trail/holder.ts';
import { startLoneHolder } from '../trail/lone-holder.ts';
import { useRedactRules } from './redact-rules.ts';
import { StopSignals } from './stop-signals.ts';
import { say } from './terminal/say.ts';
import { escapeLine } from './terminal/terminal-text.ts';

const TIMEOUT_S = 10;

/** Milliseconds without progress after which sending ends before its deadline: the endpoint is away. */
const STALL_MS = 2_000;

/** Milliseconds between two checks for unsent records, and for journals of processes that have died meanwhile. */
const POLL_MS = 10;

/** Milliseconds that a request in flight gets at the end. */
const STOP_MS = 500;

/** Milliseconds for the end of the store. */
const CLOSE_MS = 5_000;

export interface SendFlags {
  /** Seconds. */
  readonly timeout?: string;
  /** False: sends only, and leaves what waits for the log directory. */
  readonly store?: boolean;
  /** Ids of segments that a command in the same directory leaves to this process: they are sent first. */
  readonly segments?: string;
}

/** Records of other processes on their way to the destinations. */
interface Sending {
  readonly config: Config;
  readonly books: Books;
  readonly journal: Journal;
  readonly senders: readonly Sender[];
  /** Takes more segments meanwhile; returns how many. */
  claim(): Promise<number>;
}

/**
 * Sends the records that dead processes and `emit` left in the journal to the destinations that are in reach. Stores them
 * itself when no process holds the log directory. Returns the exit code: 0 when all are delivered, 1 when some still wait.
 */
export async function send(
  flags: Readonly<Record<string, string | undefined>>,
  { timeout, store, segments }: SendFlags,
): Promise<number> {
  const until = performance.now() + readTimeout(timeout) * 1000;
  const config = loadConfig({ flags, recordsOnly: true });
  useRedactRules(config);
  for (const note of envFileNotes()) process.stderr.write(`tasktrail: ${note}\n`);
  if (segments !== undefined && !(await sendFirst(config, new Set(segments.split(',')), until))) return 1;
  const books = new Books();
  const directory = journalDir(config.logDir);
  const journal = new Journal({
    directory,
    destinations: destinationsOf(config),
    books,
    fsync: config.fsync,
    limit: journalLimitOf(config),
  });
  let holder: Holder | undefined;
  const senders = await createSenders(config, { journal, books, take: (entries) => holder?.take(entries) });
  const signals = new StopSignals();
  // The timers and sockets of the senders are unreferenced, so this timer keeps the process alive meanwhile.
  const alive = setInterval(() => {}, STALL_MS);
  try {
    await journal.claimOrphans();
    holder = store === false ? undefined : await holdDirectory({ config, books, journal });
    for (const sender of senders) sender.start();
    await sendAll(
      { config, books, journal, senders, claim: () => journal.claimOrphans() },
      until,
      signals.signal,
    );
    await Promise.all(senders.map((sender) => sender.stop(STOP_MS)));
    await holder?.close(CLOSE_MS);
    const waiting = await countWaiting(journal);
    await journal.close();
    process.stdout.write(`${escapeLine(describeSent(books, waiting))}\n`);
    const refusal = books.reasons.get('journal claims');
    if (refusal !== undefined) say(`TASK_LOGS_DIR: ${refusal}`);
    return waiting.size === 0 && refusal === undefined ? 0 : 1;
  } finally {
    signals.close();
    clearInterval(alive);
  }
}

/**
 * Sends segments by themselves, and prints as JSON which destinations refused one of their records, with the
 * reason. Resolves false when the endpoint does not answer, so that the rest would wait as long for it.
 */
async function sendFirst(config: Config, ids: ReadonlySet<string>, until: number): Promise<boolean> {
  const startedAt = performance.now();
  const books = new Books();
  const journal = new Journal({
    directory: journalDir(config.logDir),
    destinations: destinationsOf(config),
    books,
  });
  const senders = await createSenders(config, { journal, books });
  const signals = new StopSignals();
  const alive = setInterval(() => {}, STALL_MS);
  try {
    await journal.takeOver(ids);
    for (const sender of senders) sender.start();
    await sendAll({ config, books, journal, senders, claim: async () => 0 }, until, signals.signal);
    await Promise.all(senders.map((sender) => sender.stop(STOP_MS)));
    await journal.close();
    process.stdout.write(`${JSON.stringify(Object.fromEntries(books.refusals))}\n`);
    return performance.now() - startedAt < STALL_MS;
  } finally {
    signals.close();
    clearInterval(alive);
  }
}

/** Makes this process the holder when records wait for one and there is none. A failure is printed, and the rest is sent. */
async function holdDirectory({
  config,
  books,
  journal,
}: Omit<Sending, 'senders' | 'claim'>): Promise<Holder | undefined> {
  if (!config.enabled || (await journal.countPending(HOLDER)) === 0) return undefined;
  const log = say;
  try {
    return await startLoneHolder({ config, books, journal, log });
  } catch (error) {
    log(messageOf(error));
    return undefined;
  }
}

/** How many records still wait, by destination; a destination without any is left out. */
async function countWaiting(journal: Journal): Promise<ReadonlyMap<string, number>> {
  const waiting = new Map<string, number>();
  for (const destination of journal.destinations) {
    const pending = await journal.countPending(destination);
    if (pending > 0) waiting.set(destination, pending);
  }
  return waiting;
}

/** Resolves when nothing is left, when nothing has moved for `STALL_MS`, at the deadline, and at a signal. */
async function sendAll(sending: Sending, until: number, signal: AbortSignal): Promise<void> {
  const { books, senders } = sending;
  let moved = movedRecords(books);
  let movedAt = performance.now();
  while (performance.now() < until && !signal.aborted) {
    const drained = await Promise.all(senders.map((sender) => sender.drain(0)));
    const busy = senders.filter((_, index) => !drained[index]);
    // After the drain: records that another process left during it are sent as well.
    const claimed = await sending.claim();
    if (claimed === 0 && (busy.length === 0 || (await isOutOfReach(busy, sending)))) return;
    const count = movedRecords(books) + claimed;
    if (count !== moved) movedAt = performance.now();
    else if (performance.now() - movedAt > STALL_MS) return;
    moved = movedRecords(books);
    await delay(POLL_MS);
  }
}

/** Whether records wait only for a holder that does not run. It reads the journal itself when it starts. */
async function isOutOfReach(busy: readonly Sender[], { config }: Sending): Promise<boolean> {
  if (busy.some(({ destination }) => destination !== HOLDER)) return false;
  return (await findHolder(config.logDir)) === undefined;
}

function movedRecords(books: Books): number {
  const { delivered, dropped, unsent = {} } = books.snapshot();
  const counts = [delivered, dropped, unsent].flatMap((part) => Object.values(part));
  return counts.reduce((sum, count) => sum + count, 0);
}

function describeSent(books: Books, waiting: ReadonlyMap<string, number>): string {
  const { delivered, dropped, unsent = {} } = books.snapshot();
  const parts = [
    ...Object.entries(delivered).map(([destination, count]) =>
      destination === HOLDER ? `${count} stored` : `${count} sent to ${destination}`,
    ),
    ...Object.entries(dropped).map(([reason, count]) => `${count} dropped (${reason})`),
    ...Object.entries(unsent).map(([destination, count]) => `${count} not taken by ${nameOf(destination)}`),
  ];
  for (const [destination, count] of waiting) {
    const reason = books.reasons.get(destination);
    parts.push(`${count} waiting for ${nameOf(destination)}${reason === undefined ? '' : ` (${reason})`}`);
  }
  return parts.length === 0 ? 'records: none were waiting' : `records: ${parts.join(', ')}`;
}

function nameOf(destination: string): string {
  return destination === HOLDER ? 'the log directory' : destination;
}

function readTimeout(value: string | undefined): number {
  if (value === undefined) return TIMEOUT_S;
  const seconds = /^\d{1,5}(?:\.\d{1,3})?$/.test(value) ? Number(value) : 0;
  if (seconds > 0) return seconds;
  throw new TasktrailError(
    'ERR_INPUT_INVALID',
    `--timeout: use a number of seconds (it is ${JSON.stringify(value)})`,
  );
}
