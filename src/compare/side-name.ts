import { attemptIn } from '../model/attempt.ts';

/** A text that names the other side: a number names an attempt of the same task, any other text a task. */
export function sideOfText(text: string): { readonly attempt: number | undefined } {
  return { attempt: /^[1-9]\d*$/.test(text) ? attemptIn(Number(text)) : undefined };
}
