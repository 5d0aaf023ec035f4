import { ATTR } from '../model/attributes.ts';
import { EVENT } from '../model/events.ts';
import { mintMoment } from './mint.ts';
import { activeRecorder } from './recorder.ts';
import { quietly } from './scope.ts';

/** Rejected deliveries that are counted instead of recorded one by one. */
export interface Flood {
  readonly provider: string;
  readonly count: number;
  /** Counts by reason. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** One record for many rejected deliveries. */
export function recordFlood({ provider, count, reasons }: Flood): void {
  const recorder = activeRecorder();
  if (recorder === undefined) return;
  const { timeMs, eventId } = mintMoment();
  const body = { event_type: null, outcome: 'rejected', reason: 'flood', task_ids: [], stages: [] };
  const attributes = { [ATTR.webhookProvider]: provider };
  quietly(() =>
    recorder.emit({
      eventName: EVENT.delivery,
      eventId,
      timeMs,
      body: { ...body, count, reasons },
      attributes,
    }),
  );
}
