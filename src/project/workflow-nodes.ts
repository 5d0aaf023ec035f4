import { type JsonObject, objectOf } from '../model/json.ts';
import { levelKey, type PlacedEvent } from './workflow-attempts.ts';

/** One attempt at a workflow, a phase or a step. */
export interface LevelAttempt {
  readonly level: Level;
  readonly attempt: number;
  /** Of a workflow also the `workflow_resumed` that opened this attempt. */
  start: PlacedEvent | undefined;
  end: PlacedEvent | undefined;
  skip: PlacedEvent | undefined;
  /** The first event that speaks of it. */
  readonly first: PlacedEvent;
  /** The newest attempt, by then, of its phase or of the workflow; undefined when nobody had spoken of that. */
  readonly parent: LevelAttempt | undefined;
}

/** The workflow itself, a phase, or a step of a phase, with its attempts in the order of their first mention. */
export interface Level {
  readonly phase: string | null;
  readonly step: string | null;
  readonly attempts: Map<number, LevelAttempt>;
}

const STARTS = new Set(['workflow_start', 'phase_start', 'step_start']);
const ENDS = new Set(['workflow_complete', 'phase_complete', 'step_complete']);
const SKIPS = new Set(['phase_skip', 'step_skip']);

/** The levels of a workflow: itself first, then phases and steps in the order of their first mention. */
export function levelsOf(events: readonly PlacedEvent[]): readonly Level[] {
  const levels = new Map<string, Level>();
  for (const event of events) {
    if (!event.isKept) continue;
    const type = event.fact.event_type;
    const at = (): LevelAttempt => attemptAt(levels, event);
    if (STARTS.has(type)) at().start ??= event;
    else if (ENDS.has(type)) at().end ??= event;
    else if (SKIPS.has(type)) at().skip ??= event;
    else if (type === 'workflow_resumed') {
      const attempt = at();
      if (attempt.start === undefined) attempt.start = event;
    }
  }
  return [...levels.values()].sort((a, b) => Number(isWorkflow(b)) - Number(isWorkflow(a)));
}

export function isWorkflow(level: Level): boolean {
  return level.phase === null && level.step === null;
}

/** The one with the highest number; undefined for a level that nothing is known of. */
export function newestAttempt(level: Level | undefined): LevelAttempt | undefined {
  if (level === undefined) return undefined;
  return [...level.attempts.values()].reduce<LevelAttempt | undefined>(
    (newest, one) => (newest === undefined || one.attempt > newest.attempt ? one : newest),
    undefined,
  );
}

/** What an attempt is a part of; where nobody had spoken of that yet, what was told of it later. */
export function parentAttempt(attempt: LevelAttempt, levels: readonly Level[]): LevelAttempt | undefined {
  const { level, parent } = attempt;
  if (parent !== undefined || isWorkflow(level)) return parent;
  const phase = levels.find((one) => level.step !== null && one.step === null && one.phase === level.phase);
  const [first] = (phase ?? levels.find(isWorkflow))?.attempts.values() ?? [];
  return first;
}

/** As its end says; `skipped` when it was left out; null while it runs. */
export function statusOf(attempt: LevelAttempt): string | null {
  const { end, skip } = attempt;
  if (end === undefined) return skip === undefined ? null : 'skipped';
  const payload = payloadOf(end);
  const status = attempt.level.step === null ? payload.status : objectOf(payload.step).status;
  return typeof status === 'string' ? status : 'unknown';
}

export function payloadOf(event: PlacedEvent): JsonObject {
  return objectOf(event.fact.payload);
}

function attemptAt(levels: Map<string, Level>, event: PlacedEvent): LevelAttempt {
  const { phase, attempt, fact } = event;
  const id = levelKey(phase, fact.step);
  let level = levels.get(id);
  if (level === undefined) {
    level = { phase, step: fact.step, attempts: new Map() };
    levels.set(id, level);
  }
  let found = level.attempts.get(attempt);
  if (found === undefined) {
    const parent = parentOf(levels, level);
    found = { level, attempt, start: undefined, end: undefined, skip: undefined, first: event, parent };
    level.attempts.set(attempt, found);
  }
  return found;
}

/** The newest attempt by now of what this level is a part of. */
function parentOf(levels: ReadonlyMap<string, Level>, level: Level): LevelAttempt | undefined {
  if (isWorkflow(level)) return undefined;
  return newestAttempt(levels.get(levelKey(level.step === null ? null : level.phase, null)));
}
