import { z } from 'zod';
import { defineTool, type Tool } from '../tool.ts';
import { Rows } from '../tool-answer.ts';

export const showHealth: Tool = defineTool({
  name: 'health',
  title: 'Health',
  description:
    'Whether recording works: reasons why the service is not ready, notices, counts of records, and which process holds the log directory.',
  schema: z.strictObject({}),
  run: async (_, { readHealth }) => ({
    title: 'The state of tasktrail.',
    rows: new Rows().addAll([await readHealth()]).texts,
    links: ['/readyz'],
  }),
});
