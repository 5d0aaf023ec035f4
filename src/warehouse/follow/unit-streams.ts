import { NOW, type StreamPart, type TaskStreams } from '../../store/read/follow/tasks-stream.ts';
import { readSummary } from '../task-summary.ts';
import { type FollowedUnitOptions, FollowedUnits } from './followed-unit.ts';
import { UnitEvents } from './unit-events.ts';
import { parseUnitPlace, UNIT_BEGINNING } from './unit-place.ts';

/** The streams of tasks of a VictoriaLogs. A place is one in any process that serves it. */
export function createUnitStreams(options: FollowedUnitOptions): TaskStreams {
  const units = new FollowedUnits(options);
  const { logs, now } = options;
  return {
    has: async (taskId) => (await readSummary(logs, taskId)) !== undefined,
    isPlace: (text) => parseUnitPlace(text) !== undefined,
    open: async (taskId, after): Promise<StreamPart> => {
      const { unit, leave } = await units.open(taskId);
      const isNow = after === NOW;
      const start = after === undefined || isNow ? UNIT_BEGINNING : parseUnitPlace(after);
      const got = isNow ? unit.rows.got.text : start?.got;
      return new UnitEvents({ unit, logs, now, leave }, { ...(start ?? UNIT_BEGINNING), got });
    },
  };
}
