import { isJsonObject, type JsonObject } from '../model/json.ts';
import type { NotificationType } from '../model/notification.ts';
import type { Wait } from './candidate.ts';

/** An event of a task, and what distinguishes it from others of its type. */
export interface Occasion {
  readonly type: NotificationType;
  readonly occasion: string;
  /** When it happened; undefined: not known. */
  readonly at: string | undefined;
  /** The notice that it is about. */
  readonly notice?: JsonObject;
}

/** The error type of a task that was ended because it passed its budget. */
export const BUDGET_EXCEEDED = 'budget_exceeded';

/** Of `metadata.json`, once most of a budget is used: the newest `kind`, `used`, `limit`, and `exceeded` when all of it is. */
export const BUDGET_NOTICE = 'budget_notice';

/** The same by amount, while it was not exceeded. */
const BUDGET_NOTICES = 'budget_notices';

const OF_STATUS: Readonly<Record<string, NotificationType>> = {
  completed: 'task.completed',
  failed: 'task.failed',
  cancelled: 'task.cancelled',
  abandoned: 'task.abandoned',
};

export interface TaskOccasionParts {
  readonly metadata: JsonObject;
  readonly result: JsonObject | undefined;
  readonly waits: readonly Wait[];
}

/** The events that the documents of a task say. One that passed its budget has failed, too: both are sent. */
export function occasionsOf({ metadata, result, waits }: TaskOccasionParts): readonly Occasion[] {
  const attempt = `attempt ${wordOf(metadata.attempt)}`;
  const found: Occasion[] = [];
  for (const notice of warningsIn(metadata))
    found.push({
      type: 'task.budget_warning',
      // The notice of an earlier attempt stays in the document.
      occasion: `attempt ${wordOf(notice.attempt ?? metadata.attempt)} ${wordOf(notice.kind)}`,
      at: textOf(notice.at),
      notice,
    });
  for (const { eventId, at } of waits) found.push({ type: 'task.waiting_input', occasion: eventId, at });
  const end = endOccasion(metadata);
  if (end === undefined) return found;
  if (result?.error_type === BUDGET_EXCEEDED)
    found.push({ ...end, type: 'task.budget_exceeded', occasion: attempt });
  return [...found, end];
}

/** One for each amount. One that is exceeded ends the task, which is an event of its own. */
function warningsIn({
  [BUDGET_NOTICE]: newest,
  [BUDGET_NOTICES]: notices,
}: JsonObject): readonly JsonObject[] {
  const known = isJsonObject(notices) ? Object.values(notices) : [newest];
  return known.filter(isJsonObject).filter(({ exceeded }) => exceeded !== true);
}

/** The end that a document says; undefined: none. */
export function endOccasion({ status, attempt, completed_at: at }: JsonObject): Occasion | undefined {
  const type = typeof status === 'string' && Object.hasOwn(OF_STATUS, status) ? OF_STATUS[status] : undefined;
  if (type === undefined) return undefined;
  return { type, occasion: `attempt ${wordOf(attempt)}`, at: textOf(at) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** `String` throws for an object whose `toString` is no function, as a record may have it. */
function wordOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
