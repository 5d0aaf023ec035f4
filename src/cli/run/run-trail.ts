import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import { processEnvironment } from '../../config/environment.ts';
import { isBelowAgent } from '../../config/values/below-agent.ts';
import { messageOf } from '../../errors.ts';
import { installAgentRunner } from '../../trail/agent-runner.ts';
import { HOLDER } from '../../trail/destinations.ts';
import { startTasktrail, type Trail } from '../../trail/trail.ts';

/** Time without a delivered record after which the rest is left in the journal for the next process. */
const STALL_MS = 2_000;

const POLL_MS = 20;

/** Limit for storing the journal of a directory that has just become free; the next process stores the rest. */
const TAKE_OVER_MS = 5_000;

/** An agent may say nothing about other tasks, and everything that it prints is in its own. */
const PART_OF_AGENT =
  'this command ran inside an agent: what it printed belongs to the task of that agent, and no task of its own was recorded';

/** The trail of one run. */
export interface RunTrail {
  /** False when the run cannot be recorded. */
  readonly isOpen: boolean;
  /** Sends the pending records and closes the trail. Resolves with a problem to print, if there is one. Never rejects. */
  close(): Promise<string | undefined>;
}

/** Never rejects: when the trail cannot be opened, `close` gives the reason. */
export async function openRunTrail(config: Config, log: (line: string) => void): Promise<RunTrail> {
  installAgentRunner({ isOwnShell: true });
  if (!config.enabled) return { isOpen: false, close: async () => undefined };
  if (!config.store && isBelowAgent(processEnvironment().variables))
    return { isOpen: false, close: async () => PART_OF_AGENT };
  try {
    const trail = await startTasktrail({ config, log });
    return { isOpen: true, close: async () => closeTrail(trail, log) };
  } catch (error) {
    return { isOpen: false, close: async () => `nothing is recorded: ${messageOf(error)}` };
  }
}

async function closeTrail(trail: Trail, log: (line: string) => void): Promise<string | undefined> {
  const { books, config } = trail;
  await sendPending(trail);
  await trail.shutdown();
  let waiting = books.reasons.get(HOLDER);
  // The directory's holder may have ended during the run. Then this process stores the records.
  if (waiting !== undefined && config.store) waiting = await takeOver(config, log);
  const lost = Object.entries(books.snapshot().dropped).map(
    ([reason, count]) => `${count} records dropped (${reason})`,
  );
  const problems = [...(waiting === undefined ? [] : [`${waiting} for ${config.logDir}`]), ...lost];
  return problems.length === 0 ? undefined : `not all is stored: ${problems.join(', ')}`;
}

/** Waits while records are being delivered. */
async function sendPending(trail: Trail): Promise<void> {
  const { books } = trail;
  trail.flush();
  let sent = -1;
  for (let movedAt = performance.now(); performance.now() - movedAt < STALL_MS; await delay(POLL_MS)) {
    const { recorded, delivered, dropped } = books.snapshot();
    const now = Object.values(dropped).reduce((sum, count) => sum + count, delivered[HOLDER] ?? 0);
    // The holder is unreachable: the shutdown tries once more.
    if (now >= recorded || books.reasons.has(HOLDER)) return;
    if (now !== sent) movedAt = performance.now();
    sent = now;
  }
}

async function takeOver(config: Config, log: (line: string) => void): Promise<string | undefined> {
  try {
    const trail = await startTasktrail({ config, log });
    await Promise.race([trail.recovered, delay(TAKE_OVER_MS, undefined, { ref: false })]);
    await trail.shutdown();
    return trail.books.reasons.get(HOLDER);
  } catch (error) {
    return `records wait in the journal (${messageOf(error)})`;
  }
}
