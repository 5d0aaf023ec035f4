import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import { messageOf } from '../../errors.ts';
import { installAgentRunner } from '../../trail/agent-runner.ts';
import { HOLDER } from '../../trail/destinations.ts';
import { startTasktrail, type Trail } from '../../trail/trail.ts';

/** Where nothing has moved for so long, nothing will soon: it waits in the journal, and nobody waits for it. */
const STALL_MS = 2_000;

const POLL_MS = 20;

/** For what waits in the journal of a directory that has just become free; the rest is the next process's. */
const TAKE_IN_MS = 5_000;

/** Recording for the length of one run, if it can be had. */
export interface RunTrail {
  /** False: nothing is recorded. */
  readonly isOpen: boolean;
  /** Sends what waits and closes everything. Gives what the user must be told, if anything. Never rejects. */
  close(): Promise<string | undefined>;
}

/** Never rejects: a run that cannot be recorded is run all the same, and `close` says why. */
export async function openRunTrail(config: Config, log: (line: string) => void): Promise<RunTrail> {
  installAgentRunner();
  if (!config.enabled) return { isOpen: false, close: async () => undefined };
  try {
    const trail = await startTasktrail({ config, log });
    return { isOpen: true, close: async () => closeTrail(trail, log) };
  } catch (error) {
    return { isOpen: false, close: async () => `nothing is recorded: ${messageOf(error)}` };
  }
}

async function closeTrail(trail: Trail, log: (line: string) => void): Promise<string | undefined> {
  const { books, config } = trail;
  await sendOn(trail);
  await trail.shutdown();
  let waiting = books.reasons.get(HOLDER);
  // Whoever held the directory may have ended before us: then what is left is ours to take in.
  if (waiting !== undefined && config.store) waiting = await takeIn(config, log);
  const lost = Object.entries(books.snapshot().dropped).map(
    ([reason, count]) => `${count} records dropped (${reason})`,
  );
  const problems = [...(waiting === undefined ? [] : [`${waiting} for ${config.logDir}`]), ...lost];
  return problems.length === 0 ? undefined : `not all is stored: ${problems.join(', ')}`;
}

/** Waits as long as records flow, however many there are. */
async function sendOn(trail: Trail): Promise<void> {
  const { books } = trail;
  trail.flush();
  let sent = -1;
  for (let movedAt = Date.now(); Date.now() - movedAt < STALL_MS; await delay(POLL_MS)) {
    const { recorded, delivered, dropped } = books.snapshot();
    const now = Object.values(dropped).reduce((sum, count) => sum + count, delivered[HOLDER] ?? 0);
    // Nobody is there: the shutdown looks once more, and that is enough.
    if (now >= recorded || books.reasons.has(HOLDER)) return;
    if (now !== sent) movedAt = Date.now();
    sent = now;
  }
}

async function takeIn(config: Config, log: (line: string) => void): Promise<string | undefined> {
  try {
    const trail = await startTasktrail({ config, log });
    await Promise.race([trail.recovered, delay(TAKE_IN_MS, undefined, { ref: false })]);
    await trail.shutdown();
    return trail.books.reasons.get(HOLDER);
  } catch (error) {
    return `records wait in the journal (${messageOf(error)})`;
  }
}
