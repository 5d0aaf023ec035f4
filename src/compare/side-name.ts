import { attemptIn } from '../model/attempt.ts';

/** No id has a colon. */
const TASK = 'task:';

export interface OtherSide {
  /** Of the same task. */
  readonly attempt: number | undefined;
  /** The id of a task; undefined beside an attempt. */
  readonly task: string | undefined;
}

/** A text that names the other side: a number names an attempt of the same task, any other text a task; `task:1` is the task `1`. */
export function sideOfText(text: string): OtherSide {
  if (text.startsWith(TASK)) return { attempt: undefined, task: text.slice(TASK.length) };
  const attempt = /^[1-9]\d*$/.test(text) ? attemptIn(Number(text)) : undefined;
  return { attempt, task: attempt === undefined ? text : undefined };
}
