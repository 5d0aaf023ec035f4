import { z } from 'zod';

type Limit = z.ZodExactOptional<z.ZodNumber>;

const USD = 'use a number of US dollars above 0, such as 2.5';
const TOKENS = 'use a whole number of tokens above 0, such as 200000';
const SECONDS = 'use a number of seconds above 0, such as 900';

/** What a task may use: of an agent, of a command, and of a request. */
export const budgetSchema: z.ZodObject<{ usd: Limit; tokens: Limit; seconds: Limit }, z.core.$strict> = z
  .strictObject(
    {
      usd: z
        .number(USD)
        .positive(USD)
        .exactOptional()
        .describe('US dollars that a task may cost: by what its agents print and by their telemetry.'),
      tokens: z
        .number(TOKENS)
        .int(TOKENS)
        .positive(TOKENS)
        .exactOptional()
        .describe('Tokens that a task may use: input, cached input included, and output together.'),
      seconds: z
        .number(SECONDS)
        .positive(SECONDS)
        .exactOptional()
        .describe('Seconds that the agents of a task may run.'),
    },
    'use an object, such as {"usd": 2.5, "seconds": 900}',
  )
  .refine((budget) => Object.keys(budget).length > 0, 'name at least one of usd, tokens and seconds');
