import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/model/json.ts';
import type { TaskQuery } from '../../../src/model/task-reading.ts';
import { tempDir } from '../../support/log-dir.ts';
import { listsOf, loadDrivers, openIndex } from '../../support/search-index.ts';
import { outputLine, result, toolCall, writeTask } from '../../support/searched-tasks.ts';

const WAYS = [undefined, ...(await loadDrivers())];

function writeTasks(dir: string): void {
  writeTask(dir, {
    id: 'task-a',
    at: '2026-01-01T00:00:00.000Z',
    metadata: {
      source: 'webhook',
      provider: 'github',
      assigned_agent: 'claude',
      model: 'opus',
      command: 'review',
    },
    message: 'Please fix #4711 in src/a.ts',
    repo: 'Acme/Shop',
    result: result(
      false,
      { cost_usd: 0.75, input_tokens: 900, output_tokens: 100, duration_seconds: 61 },
      {
        error: 'the build failed: foo_bar is not defined',
        error_type: 'exit_code',
      },
    ),
    lines: [toolCall('Bash', { command: 'npm test -- --watch' }), outputLine('all 中文测试 done 🚀')],
  });
  writeTask(dir, {
    id: 'task-b',
    at: '2026-01-02T00:00:00.000Z',
    metadata: { source: 'webhook', provider: 'slack', assigned_agent: 'codex', workflow_ids: ['workflow-1'] },
    message: 'deploy the shop',
    repo: 'acme/infra',
    result: result(true, { cost_usd: 0.1, input_tokens: 10, output_tokens: 5, duration_seconds: 5 }),
    lines: [outputLine('the test of src is green\n'), outputLine('a.ts was left alone')],
  });
  writeTask(dir, {
    id: 'task-c',
    at: '2026-01-03T00:00:00.000Z',
    message: 'still running',
    lines: [outputLine('x')],
  });
}

describe.each(WAYS.map((driver) => [driver?.name ?? 'files', driver] as const))(
  'lists by %s',
  (_, driver) => {
    async function open(dir: string): Promise<(query: Partial<TaskQuery>) => Promise<string[]>> {
      const lists = listsOf(dir, driver && (await openIndex(dir, driver)));
      return async (query) =>
        (await lists({ limit: 50, ...query })).items.map((item) => String(item.task_id));
    }

    test.each(['cost', 'tokens', 'duration'] as const)(
      'pages by %s have each task once, also those with impossible amounts',
      async (sort) => {
        const dir = await tempDir();
        const amounts = [1e308, 1.7e308, 5, null, 1e17, -1e308];
        for (const [n, amount] of amounts.entries()) {
          const metrics = {
            cost_usd: amount,
            input_tokens: amount,
            output_tokens: amount,
            duration_seconds: amount,
          };
          writeTask(dir, { id: `task-${n}`, result: result(true, metrics) });
        }
        const lists = listsOf(dir, driver && (await openIndex(dir, driver)));
        const found: unknown[] = [];
        for (let cursor: string | undefined; ; ) {
          const page = await lists({ limit: 1, sort, ...(cursor !== undefined && { cursor }) });
          found.push(...page.items.map((item) => item.task_id));
          cursor = page.nextCursor ?? undefined;
          if (cursor === undefined) break;
        }
        // Impossible amounts are unknown ones, which are last.
        expect(found).toEqual(['task-4', 'task-2', 'task-5', 'task-3', 'task-1', 'task-0']);
      },
    );

    test('filters, words, phrases and fields find the same tasks', async () => {
      const dir = await tempDir();
      writeTasks(dir);
      const ids = await open(dir);
      const finds = async (query: Partial<TaskQuery>): Promise<string> =>
        (await ids(query)).join(' ').replaceAll('task-', '');
      expect(await finds({})).toBe('c b a');
      expect(await finds({ status: 'failed' })).toBe('a');
      expect(await finds({ repo: 'acme/shop' })).toBe('a');
      expect(await finds({ model: 'opus', command: 'review' })).toBe('a');
      expect(await finds({ workflow_id: 'workflow-1' })).toBe('b');
      expect(await finds({ error_type: 'exit_code' })).toBe('a');
      expect(await finds({ status: 'failed,running' })).toBe('c a');
      expect(await finds({ agent: 'claude,codex' })).toBe('b a');
      expect(await finds({ repo: 'acme/*' })).toBe('b a');
      expect(await finds({ agent: '*' })).toBe('b a');
      expect(await finds({ agent: '"claude,codex"' })).toBe('');
      expect(await finds({ cost_min: 0.1, cost_max: 0.5 })).toBe('b');
      expect(await finds({ duration_min: 60 })).toBe('a');
      expect(await finds({ since: '2026-01-02T00:00:00.000Z', until: '2026-01-03T00:00:00.000Z' })).toBe('b');
      const asked: Readonly<Record<string, string>> = {
        'src/a.ts': 'a',
        '"src/a.ts"': 'a',
        'src a.ts': 'b a',
        '#4711': 'a',
        '4711': 'a',
        foo_bar: 'a',
        中文: 'a',
        中文测: 'a',
        文中: '',
        '🚀': 'a',
        '"npm test"': 'a',
        '"test npm"': '',
        'tool:bash': 'a',
        '-tool:Bash': 'c b',
        'shop -deploy': '',
        'deplo*': 'b',
        '-"the build failed"': 'c b',
        '-running': 'b a',
        'status:failed,running': 'c a',
        '-status:failed': 'c b',
        'repo:acme/*': 'b a',
        'repo:*': 'b a',
        '-repo:*': 'c',
        'workflow:*': 'b',
        '-workflow:*': 'c a',
        'cost:..0.5': 'b',
        'cost:0.5..': 'a',
        '-repo:acme/shop': 'c b',
        'cost:>0.5': 'a',
        '-cost:>0.5': 'b',
        'tokens:1k': 'a',
        'duration:<1m': 'b',
        'task-b': 'b',
        'the since:2026-01-02': 'b',
        'a OR b': '',
        '"a" NEAR(b)': '',
      };
      for (const [q, expected] of Object.entries(asked))
        expect([q, await finds({ q })]).toEqual([q, expected]);
    });

    test('a task is found by its trace and by what it was started from', async () => {
      const dir = await tempDir();
      const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
      const page = 'https://github.com/acme/app';
      const put = (id: string, origin: JsonObject, metadata: JsonObject = {}): void =>
        writeTask(dir, { id: `task-${id}`, message: 'fix it', repo: 'acme/app', origin, metadata });
      put('issue', { issue_number: 42, url: `${page}/issues/42` }, { trace_id: trace });
      put('comment', { issue_number: 42, comment_id: 7, url: `${page}/issues/42#issuecomment-7` });
      put('commit', { comment_id: 70, url: `${page}/commit/0a1b2c3d#commitcomment-70` });
      put('jira', { issue_key: 'APP-42', comment_id: '7', url: 'https://acme.example/browse/APP-42' });
      put('merge', { issue_number: null, merge_request: 5 });
      put('long', { issue_number: 421 }, { trace_id: 'b'.repeat(32) });
      put('odd', { issue_number: { a: 1 }, comment_id: [], url: 3 }, { trace_id: 7 });
      const ids = await open(dir);
      const asked: Readonly<Record<string, string>> = {
        [`trace:${trace}`]: 'issue',
        [`trace_id:${trace.toUpperCase()}`]: 'issue',
        'trace:4bf92f35*': 'issue',
        '-trace:*': 'odd merge jira commit comment',
        'issue:42': 'issue comment',
        'repo:acme/app issue:42 comment_id:7': 'comment',
        'comment_id:7': 'jira comment',
        'issue:app-42': 'jira',
        'issue:5': 'merge',
        'issue:*': 'merge long jira issue comment',
        [`url:"${page}/issues/42#issuecomment-7"`]: 'comment',
        [`url:${page}/commit/0a1b*`]: 'commit',
        [`url:${page.toUpperCase()}/issues/42`]: 'issue',
      };
      for (const [q, expected] of Object.entries(asked)) {
        const found = (await ids({ q })).map((id) => id.slice('task-'.length)).sort();
        expect([q, found]).toEqual([q, expected.split(' ').sort()]);
      }
    });

    test('items have what a table shows', async () => {
      const dir = await tempDir();
      writeTasks(dir);
      const lists = listsOf(dir, driver && (await openIndex(dir, driver)));
      const { items } = await lists({ limit: 1, status: 'failed' });
      expect(items[0]).toMatchObject({
        task_id: 'task-a',
        status: 'failed',
        message: 'Please fix #4711 in src/a.ts',
        repo: 'Acme/Shop',
        success: false,
        error: 'the build failed: foo_bar is not defined',
        cost_usd: 0.75,
        input_tokens: 900,
        output_tokens: 100,
        duration_seconds: 61,
      });
    });

    test.each(['created', 'cost', 'duration', 'tokens'] as const)(
      'pages by %s hold each task once, also while new ones come',
      async (sort) => {
        const dir = await tempDir();
        const put = (n: number): void =>
          writeTask(dir, {
            id: `task-${String(n).padStart(2, '0')}`,
            at: `2026-01-01T00:00:${String(n % 7).padStart(2, '0')}.000Z`,
            ...(n % 3 > 0 && {
              result: result(true, {
                cost_usd: n % 4,
                input_tokens: n % 5,
                output_tokens: 0,
                duration_seconds: n % 2,
              }),
            }),
          });
        for (let n = 0; n < 20; n += 1) put(n);
        const keeper = driver && (await openIndex(dir, driver));
        const lists = listsOf(dir, keeper);
        const all = (await lists({ limit: 50, sort })).items.map((item) => item.task_id);
        expect(all).toHaveLength(20);
        const seen: unknown[] = [];
        let cursor: string | undefined;
        do {
          const page = await lists({ limit: 3, sort, cursor });
          seen.push(...page.items.map((item) => item.task_id));
          // The newest and dearest of all: it would stand on the first page.
          const id = `task-new-${seen.length}`;
          writeTask(dir, {
            id,
            at: '2026-01-02T00:00:00.000Z',
            result: result(true, { cost_usd: 99, input_tokens: 99, output_tokens: 0, duration_seconds: 99 }),
          });
          keeper?.note([id]);
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        expect(seen).toEqual(all);
      },
    );

    test('a cursor of another query is refused', async () => {
      const dir = await tempDir();
      writeTasks(dir);
      const lists = listsOf(dir, driver && (await openIndex(dir, driver)));
      const { nextCursor } = await lists({ limit: 1, asked: 'q=a' });
      const cursor = nextCursor ?? '';
      expect((await lists({ limit: 1, asked: 'q=a', cursor })).items).toHaveLength(1);
      for (const other of [{ asked: 'q=b' }, { asked: 'q=a', sort: 'cost' } as const])
        await expect(lists({ limit: 1, cursor, ...other })).rejects.toThrow(
          'cursor: belongs to another query',
        );
      await expect(lists({ limit: 1, cursor: 'nonsense' })).rejects.toThrow('cursor: must be');
    });
  },
);
