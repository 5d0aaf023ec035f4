import { z } from 'zod';
import { splitWords } from './shell-words.ts';
import type { ValueKind } from './value-kinds.ts';

/** Program and arguments. Not trimmed first: a blank at the end may be escaped. */
export const COMMAND_LINE: ValueKind<readonly string[]> = {
  type: 'command line',
  schema: z.string().transform((value, context) => {
    const result = splitWords(value);
    if ('problem' in result) context.addIssue({ code: 'custom', message: result.problem });
    else if ((result.words[0] ?? '').trim() === '')
      context.addIssue({ code: 'custom', message: 'name a program' });
    return 'words' in result ? result.words : [];
  }),
};
