import { describe, expect, test } from 'vitest';
import type { FacetsQuery, TaskFacet } from '../../../src/model/task-reading.ts';
import { createTaskFacets, facetsByIndex } from '../../../src/search/stats/task-facets.ts';
import { createTaskSource } from '../../../src/store/read/task-source.ts';
import { fc } from '../../support/fast-check.ts';
import { tempDir } from '../../support/log-dir.ts';
import { listsOf, loadDrivers, openIndex } from '../../support/search-index.ts';
import { outputLine, result, writeTask } from '../../support/searched-tasks.ts';

const WAYS = [undefined, ...(await loadDrivers())];
const AGENTS = ['claude', 'codex', undefined];
const REPOS = ['acme/app', 'Acme/App', 'acme/other', undefined];

interface Opened {
  facets(query: FacetsQuery): Promise<Record<string, Record<string, number>>>;
  count(q: string): Promise<number>;
}

/** 24 tasks with each agent, repository and result. */
async function open(driver: (typeof WAYS)[number]): Promise<Opened> {
  const dir = await tempDir();
  for (let n = 0; n < 24; n += 1) {
    const [agent, repo] = [AGENTS[n % 3], REPOS[n % 4]];
    writeTask(dir, {
      id: `task-${n}`,
      message: n % 2 === 0 ? 'fix src/a.ts' : 'other',
      ...(repo !== undefined && { repo }),
      ...(agent !== undefined && { metadata: { assigned_agent: agent } }),
      ...(n % 5 > 0 && { result: result(n % 5 > 1, { cost_usd: n }) }),
      lines: [outputLine('done')],
    });
  }
  const files = createTaskSource(dir);
  const keeper = driver && (await openIndex(dir, driver));
  const count = createTaskFacets({
    files,
    askIndex: keeper && ((request) => facetsByIndex((read) => keeper.use(read), files, request)),
  });
  const lists = listsOf(dir, keeper);
  return {
    facets: async (query) =>
      Object.fromEntries(
        (await count(query)).map(({ field, values }) => [
          field,
          Object.fromEntries(values.map((one) => [String(one.value), one.count])),
        ]),
      ),
    count: async (q) => (await lists({ limit: 100, ...(q !== '' && { q }) })).items.length,
  };
}

describe.each(WAYS.map((driver) => [driver?.name ?? 'files', driver] as const))('by %s', (_, driver) => {
  test('each field is counted as if no values of it were asked for, in one request', async () => {
    const { facets } = await open(driver);
    const of: readonly TaskFacet[] = ['status', 'agent', 'repo'];
    expect(await facets({ of })).toEqual({
      status: { completed: 14, failed: 5, running: 5 },
      agent: { claude: 8, codex: 8, null: 8 },
      repo: { 'acme/app': 6, 'Acme/App': 6, 'acme/other': 6, null: 6 },
    });
    const asked = await facets({ of, q: 'status:failed -agent:codex repo:acme/app src/a.ts' });
    expect(Object.keys(asked.status ?? {}).length).toBeGreaterThan(1);
    expect(asked.agent).not.toHaveProperty('codex');
    expect(await facets({ of: ['status'], status: 'failed', agent: 'claude' })).toEqual({
      status: (await facets({ of: ['status'], q: 'agent:claude' })).status,
    });
  });

  test('a count is that of the list that has the value in place of others', async () => {
    const { facets, count } = await open(driver);
    const parts = [
      'status:failed',
      'status:completed,running',
      'agent:claude',
      '-agent:codex',
      'repo:acme/app',
    ];
    const clauses = [...parts, 'repo:acme/*', 'cost:>3', '"src a"', 'src/a.ts', 'done'];
    await fc.assert(
      fc.asyncProperty(fc.subarray(clauses, { maxLength: 4 }), async (chosen) => {
        const q = chosen.join(' ');
        const found = await facets({ of: ['status', 'agent'], ...(q !== '' && { q }) });
        for (const [field, values] of Object.entries(found)) {
          const others = chosen.filter((part) => !part.startsWith(`${field}:`));
          for (const [value, number] of Object.entries(values)) {
            const own = value === 'null' ? `-${field}:*` : `${field}:${value}`;
            expect([q, own, await count([...others, own].join(' '))]).toEqual([q, own, number]);
          }
        }
      }),
      { numRuns: 12 },
    );
  });
});

test('a search whose client has gone ends', async () => {
  const dir = await tempDir();
  for (const n of [1, 2, 3]) writeTask(dir, { id: `task-${n}`, message: 'm' });
  const source = createTaskSource(dir);
  const gone = new AbortController();
  let read = 0;
  const files = {
    ...source,
    readDocument: (...asked: Parameters<typeof source.readDocument>) => {
      read += 1;
      gone.abort();
      return source.readDocument(...asked);
    },
  };
  await expect(createTaskFacets({ files })({ of: ['status'] }, gone.signal)).rejects.toThrow('abort');
  expect(read).toBe(2);
});
