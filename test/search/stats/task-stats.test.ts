import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { StatsQuery } from '../../../src/model/task-reading.ts';
import { countByIndex, createTaskStats } from '../../../src/search/stats/task-stats.ts';
import { createTaskSource } from '../../../src/store/read/task-source.ts';
import { tempDir } from '../../support/log-dir.ts';
import { loadDrivers, openIndex } from '../../support/search-index.ts';
import { outputLine, result, toolCall, writeTask } from '../../support/searched-tasks.ts';

const WAYS = [undefined, ...(await loadDrivers())];

const BASES: Readonly<Record<number, JsonObject>> = {
  1: { source: 'result', verdict: 'agrees' },
  2: { source: 'none', verdict: 'incomplete: killed' },
  3: { source: 'result', verdict: 'differs by +1 USD (telemetry)' },
  4: { source: 'result', verdict: 'agrees' },
};

describe.each(WAYS.map((driver) => [driver?.name ?? 'files', driver] as const))(
  'numbers by %s',
  (_, driver) => {
    test('sums of amounts that are impossible or huge are numbers', async () => {
      const dir = await tempDir();
      for (const [n, amount] of [1e308, 1e308, 1e17, 1e17].entries()) {
        const metrics = {
          cost_usd: amount,
          input_tokens: amount,
          output_tokens: amount,
          duration_seconds: amount,
        };
        writeTask(dir, { id: `task-${n}`, result: result(true, metrics) });
      }
      const files = createTaskSource(dir);
      const keeper = driver && (await openIndex(dir, driver));
      const stats = createTaskStats({
        files,
        askIndex: keeper && ((request) => countByIndex((read) => keeper.use(read), files, request)),
      });
      const sums = { cost_usd: 2e17, input_tokens: 2e17, output_tokens: 2e17, cost_known: 2 };
      const { rows } = await stats({ groupBy: ['status'] });
      expect(rows).toMatchObject([{ count: 4, ...sums, duration_seconds: { total: 2e17, max: 1e17 } }]);
    });

    async function counts(query: StatsQuery): Promise<readonly Record<string, unknown>[]> {
      const dir = await tempDir();
      const metadata = { assigned_agent: 'claude', model: 'opus' };
      for (const n of [1, 2, 3, 4]) {
        writeTask(dir, {
          id: `task-${n}`,
          at: `2026-01-0${n < 3 ? 1 : 2}T00:00:00.000Z`,
          metadata: { ...metadata, attempt: n === 4 ? 3 : 1, workflow_ids: ['workflow-x'] },
          message: n === 1 ? 'the one' : 'another one of them',
          result: result(n !== 2, {
            cost_usd: 0.1 * n,
            input_tokens: 10,
            output_tokens: 1,
            duration_seconds: n,
            cost_basis: BASES[n] ?? null,
          }),
          lines: [
            toolCall('Bash', { command: 'a' }),
            toolCall('Bash', { command: 'b' }),
            toolCall('Read', {}),
          ],
        });
      }
      writeTask(dir, { id: 'task-5', at: '2026-01-02T00:00:00.000Z', lines: [outputLine('runs')] });
      const files = createTaskSource(dir);
      const keeper = driver && (await openIndex(dir, driver));
      const stats = createTaskStats({
        files,
        askIndex: keeper && ((request) => countByIndex((read) => keeper.use(read), files, request)),
      });
      return (await stats(query)).rows as readonly Record<string, unknown>[];
    }

    test('all tasks are one row without a group', async () => {
      expect(await counts({ groupBy: [] })).toEqual([
        {
          count: 5,
          succeeded: 3,
          failed: 1,
          open: 1,
          success_rate: 0.75,
          cost_usd: 1,
          cost_known: 4,
          cost_sources: { result: 3, telemetry: 0, spans: 0, none: 1, stream: 0 },
          cost_verdicts: { agrees: 2, differs: 1, incomplete: 1, unknown: 0 },
          input_tokens: 40,
          output_tokens: 4,
          retries: 2,
          duration_seconds: { p50: 2, p90: 4, p95: 4, p99: 4, max: 4, total: 10 },
        },
      ]);
    });

    test('days follow each other, and filters and words limit what is counted', async () => {
      const days = await counts({ groupBy: ['day'] });
      expect(days.map(({ day, count }) => [day, count])).toEqual([
        ['2026-01-01', 2],
        ['2026-01-02', 3],
      ]);
      const few = await counts({ groupBy: ['day', 'agent'], q: '"one of" status:completed' });
      expect(few.map(({ day, agent, count }) => [day, agent, count])).toEqual([['2026-01-02', 'claude', 2]]);
    });

    test('a task counts in each of its tools', async () => {
      const tools = await counts({ groupBy: ['tool'] });
      expect(tools.map(({ tool, count, calls }) => [tool, count, calls])).toEqual([
        ['Bash', 4, 8],
        ['Read', 4, 4],
        [null, 1, 0],
      ]);
    });

    test('what is unknown is null', async () => {
      const [row] = await counts({ groupBy: [], q: 'runs' });
      expect(row).toMatchObject({ count: 1, cost_usd: null, success_rate: null, duration_seconds: null });
    });
  },
);
