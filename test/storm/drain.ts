import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { openTasks, readAnswers } from './check/answers.ts';
import { type BookScrapes, checkAtRest } from './check/books.ts';
import type { Violation } from './check/check.ts';
import { type Evidence, namesIn, openWork } from './check/evidence.ts';
import { type Crew, remoteNames } from './crew.ts';
import type { Part } from './parts/part.ts';
import { envOf, MAIN, remoteEnv, sharedNames, type World } from './world.ts';

/** A task whose recorder was killed is abandoned after 45 s of silence. */
const QUIET_MS_MAX = 240_000;
const POLL_MS = 1_000;
const GRACE_MS = 30_000;
const LOOKS = 10;

/** A task has settled 10 s after its end, and a workflow's document shortly after its last event. */
const SETTLE_MS = 20_000;

export interface Drained {
  readonly violations: readonly Violation[];
  /** Undefined: it stands in the log directory. */
  readonly evidence?: Evidence;
}

/** Everything is well again: the clients finish, what waits is delivered, every task ends. Then all processes end. */
export async function drain(world: World, crew: Crew, books: BookScrapes): Promise<Drained> {
  const violations: Violation[] = [];
  for (const part of crew.parts) part.signal('SIGCONT');
  await Promise.all(crew.of('recorder', 'remote').map((part) => part.end('SIGTERM', GRACE_MS)));
  await Promise.all(crew.clients.map((client) => client.end()));
  if (world.victoria !== undefined) return drainRows(world, crew, books);
  const holder = await untilReady(world);
  // The other service would be refused again and again.
  const services = crew.of('service');
  await Promise.all(services.map((part, n) => (n === holder ? undefined : part.end('SIGTERM', GRACE_MS))));
  for (const name of remoteNames(world)) await sendLeft(world, name);
  await untilQuiet(world);
  for (const { web } of world.ports) {
    violations.push(...(await restOf({ url: `http://127.0.0.1:${web}/metrics`, pid: 0 }, books)));
  }
  violations.push(...(await endAll([...crew.of('worker'), ...services])));
  // The last records of the services themselves, such as the spans of their end.
  await runSend(world, envOf(world), []);
  return { violations };
}

/** Over VictoriaLogs all services stay, and are asked for everything at the end. */
async function drainRows(world: World, crew: Crew, books: BookScrapes): Promise<Drained> {
  const urls = world.ports.map(({ web }) => `http://127.0.0.1:${web}`);
  await Promise.all(urls.map(untilOk));
  // The journals of living workers are never empty.
  for (const name of [...remoteNames(world), ...sharedNames(world, false)]) await sendLeft(world, name);
  const end = Date.now() + QUIET_MS_MAX;
  let open: readonly string[] | undefined;
  while (Date.now() < end) {
    await delay(POLL_MS);
    open = (await openTasks(urls[0] ?? ''))?.filter((name) => !name.startsWith('storm-otlp'));
    if (open?.length === 0) break;
  }
  const violations = [...(await endAll(crew.of('worker')))];
  // Those of the workers' end, and of what a killed one has left.
  for (const name of sharedNames(world, true)) await sendLeft(world, name);
  await delay(SETTLE_MS);
  for (const [n, url] of urls.entries())
    violations.push(
      ...(await restOf({ url: `${url}/metrics`, pid: crew.of('service')[n]?.pid ?? 0 }, books)),
    );
  const answers = await readAnswers(urls);
  violations.push(...answers.violations, ...(await waitingJobs(urls[0] ?? '')));
  for (const name of [...remoteNames(world), ...sharedNames(world, true)])
    for (const file of namesIn(`${world.directory}/${name}-logs/_journal`))
      violations.push({
        kind: 'unfinished',
        what: file,
        file: `${name}-logs/_journal`,
        detail: 'records wait',
      });
  violations.push(...(await endAll(crew.of('service'))));
  return { violations, evidence: answers.evidence };
}

async function waitingJobs(url: string): Promise<readonly Violation[]> {
  const answer = await fetch(`${url}/api/health`);
  const { queue } = (await answer.json()) as { readonly queue: Readonly<Record<string, unknown>> };
  const { waiting, running, delayed } = queue;
  if (waiting === 0 && running === 0 && delayed === 0) return [];
  return [{ kind: 'unfinished', what: 'the queue', file: 'Redis', detail: JSON.stringify(queue) }];
}

async function endAll(parts: readonly Part[]): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  for (const part of parts) {
    const end = await part.end('SIGTERM', GRACE_MS);
    if (end === 'killed') {
      const detail = `no end within ${GRACE_MS} ms of SIGTERM`;
      violations.push({ kind: 'unfinished', what: part.name, file: `${part.name}.log`, detail });
    }
  }
  return violations;
}

/** Until it is ready, or the deadline is over. */
async function untilOk(url: string): Promise<void> {
  const end = Date.now() + GRACE_MS;
  while (Date.now() < end) {
    const signal = AbortSignal.timeout(2_000);
    const response = await fetch(`${url}/readyz`, { signal }).catch(() => undefined);
    if (response?.ok) return;
    await delay(POLL_MS);
  }
}

/** What is still pending after some looks: a service may just be recording something of its own. */
async function restOf(
  { url, pid }: { readonly url: string; readonly pid: number },
  books: BookScrapes,
): Promise<readonly Violation[]> {
  let rest: readonly Violation[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    const scrape = await books.scrape(url, pid);
    rest = scrape === undefined ? [] : checkAtRest(scrape);
    if (rest.length === 0) return [];
    await delay(POLL_MS);
  }
  return rest;
}

/** The index of the service that is ready; 0 after the deadline. */
async function untilReady({ ports }: World): Promise<number> {
  const end = Date.now() + GRACE_MS;
  while (Date.now() < end) {
    for (const [n, { web }] of ports.entries()) {
      const response = await fetch(`http://127.0.0.1:${web}/readyz`, {
        signal: AbortSignal.timeout(2_000),
      }).catch(() => undefined);
      if (response?.ok) return n;
    }
    await delay(POLL_MS);
  }
  return 0;
}

/** What killed remote recorders have left in their journals. */
async function sendLeft(world: World, name: string): Promise<void> {
  const end = Date.now() + QUIET_MS_MAX;
  while (Date.now() < end) {
    const code = await runSend(world, remoteEnv(world, name), ['--no-store']);
    const waiting = namesIn(`${world.directory}/${name}-logs/_journal`);
    if (code === 0 && waiting.length === 0) return;
    await delay(POLL_MS);
  }
}

function runSend(
  { directory }: World,
  env: Readonly<Record<string, string>>,
  more: readonly string[],
): Promise<number | null> {
  const child = spawn(process.execPath, [MAIN, 'send', '--timeout', '20', ...more], {
    env,
    cwd: directory,
    stdio: 'ignore',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
}

/** Waits until nothing is queued and all tasks have ended. What is not so at the end, the check reports. */
async function untilQuiet(world: World): Promise<void> {
  const end = Date.now() + QUIET_MS_MAX;
  while (Date.now() < end) {
    await delay(POLL_MS);
    // The tasks of OTLP senders end when these send a result.
    const open = openWork(world.logDir).filter((name) => !name.startsWith('storm-otlp'));
    if (open.length === 0) return;
  }
}
