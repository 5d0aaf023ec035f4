import type { Violation } from './check.ts';
import type { Evidence } from './evidence.ts';
import type { AgentRun, History } from './history.ts';

/** Each step of a task runs until it ends, once; each line of a run that ended stands in the task once. */
export function checkRuns({ runs, linesARun, facts }: History, { tasks }: Evidence): Violation[] {
  const found: Violation[] = [];
  const byStep = new Map<string, AgentRun[]>();
  for (const run of runs) {
    const key = `${run.task} ${run.place}`;
    byStep.set(key, [...(byStep.get(key) ?? []), run]);
  }
  for (const [what, all] of byStep) {
    // Every run but the last must have been stopped or killed.
    const more = all.slice(0, -1).filter(({ isEnded, isStopped }) => isEnded || !isStopped);
    if (more.length === 0) continue;
    const detail = all
      .map(({ run, isEnded, isStopped }) => `${run}${isEnded ? ' ended' : ''}${isStopped ? ' stopped' : ''}`)
      .join(', ');
    found.push({ kind: 'step ran twice', what, file: 'the log of the agents', detail });
  }
  const lines = linesByRun(tasks);
  const commands = new Set(facts.flatMap(({ kind, token }) => (kind === 'run' ? [token] : [])));
  for (const { task, run, place, isEnded } of runs) {
    // No process adopts the agent of a `tasktrail run` that was killed.
    const [command = ''] = place.split('/');
    const isLeft = command.startsWith('fact.') && !commands.has(command);
    if (!isEnded || isLeft) continue;
    const counts = lines.get(run) ?? new Map<number, number>();
    const missing = Array.from({ length: linesARun }, (_, n) => n).filter((n) => !counts.has(n));
    const twice = [...counts].filter(([, count]) => count > 1).map(([n]) => n);
    const file = `${task}/03-agent-output.jsonl`;
    const status = String(tasks.get(task)?.metadata?.status);
    if (missing.length > 0) {
      const detail = `${linesARun - missing.length} of ${linesARun} lines, without ${missing.join(' ')}; ${status}`;
      found.push({ kind: 'agent line lost', what: run, file, detail });
    }
    if (twice.length > 0)
      found.push({ kind: 'agent line doubled', what: run, file, detail: `lines ${twice.join(' ')}` });
  }
  return found;
}

/** How often each line of each run stands in the output of its task. One record may hold several lines. */
function linesByRun(tasks: Evidence['tasks']): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const found = new Map<string, Map<number, number>>();
  for (const { output } of tasks.values()) {
    for (const { content } of output.lines) {
      for (const [, run = '', n = ''] of String(content).matchAll(/line (\d+-\d+) (\d+);/g)) {
        const counts = found.get(run) ?? new Map<number, number>();
        found.set(run, counts.set(Number(n), (counts.get(Number(n)) ?? 0) + 1));
      }
    }
  }
  return found;
}
