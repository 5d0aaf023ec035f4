import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DeliveryQuery } from '../../../src/model/delivery.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import type { WorkflowQuery } from '../../../src/model/workflow.ts';
import type { Driver } from '../../../src/search/index/driver/driver.ts';
import { IndexKeeper } from '../../../src/search/index/index-keeper.ts';
import {
  createRecordLists,
  type RecordLists,
  recordsByIndex,
} from '../../../src/search/record/record-lists.ts';
import { createRecordSource } from '../../../src/store/read/record-source.ts';
import { createTaskSource } from '../../../src/store/read/task-source.ts';
import { tempDir } from '../../support/log-dir.ts';
import { loadDrivers } from '../../support/search-index.ts';
import { until } from '../../support/until.ts';
import { fact, wholeRun, writeWorkflow } from '../../support/workflow-files.ts';

const DAY = '2026-11-21';

function delivery(number: number, more: JsonObject = {}): JsonObject {
  return {
    timestamp: new Date(Date.parse(`${DAY}T10:00:00Z`) + number).toISOString(),
    event_id: `event-${number}`,
    provider: 'github',
    delivery_id: `d-${number}`,
    event_type: 'issue_comment',
    outcome: 'accepted',
    reason: null,
    task_ids: [],
    trace_id: null,
    stages: [],
    ...more,
  };
}

function writeDeliveries(dir: string, lines: readonly JsonObject[], day = DAY): void {
  mkdirSync(join(dir, '_webhooks'), { recursive: true });
  appendFileSync(
    join(dir, '_webhooks', `${day}.jsonl`),
    lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  );
}

function monthOf(dir: string): string {
  return join(dir, '_workflow', '2026', '11');
}

/** Two workflows and five deliveries, two of one id. */
function writeRecords(dir: string): void {
  writeWorkflow(monthOf(dir), 'workflow-1-20261121T100000Z', {
    facts: wholeRun('workflow-1-20261121T100000Z', { task_id: 'task-1' }),
  });
  const failing = 'workflow-2-20261121T110000Z';
  writeWorkflow(monthOf(dir), failing, {
    facts: [
      fact(failing, 0, { event_type: 'workflow_start', payload: {} }),
      fact(failing, 1, {
        event_type: 'error',
        payload: { message: 'no space left on /dev/sda1 (空き容量なし)' },
      }),
    ],
  });
  writeDeliveries(dir, [
    delivery(1, {
      task_ids: ['task-1'],
      stages: [{ stage: 'command_matching', command: 'review src/a.ts' }],
    }),
    delivery(2, { outcome: 'rejected', reason: 'the signature does not match' }),
    delivery(3, { provider: 'jira', event_type: 'comment_created', outcome: 'unmatched' }),
    delivery(4, { sender: 'anonymous' }),
    delivery(4, { event_type: 'push' }),
  ]);
}

async function openKeeper(dir: string, driver: Driver): Promise<IndexKeeper> {
  const keeper = new IndexKeeper({
    ...{ logDir: dir, driver, files: createTaskSource(dir), records: createRecordSource(dir) },
  });
  onTestFinished(() => keeper.close());
  keeper.start();
  await until(() => keeper.state.isComplete, 'the index');
  return keeper;
}

function listsOf(dir: string, keeper?: IndexKeeper): RecordLists {
  const files = createRecordSource(dir);
  return createRecordLists({
    files,
    askIndex: async (request) => {
      if (keeper === undefined) return undefined;
      await keeper.settle(45_000);
      const page = await recordsByIndex((read) => keeper.use(read), files, request);
      if (page === undefined) throw new Error('there is no index');
      return page;
    },
  });
}

type Answers = (dir: string) => Promise<{ lists: RecordLists; keeper: IndexKeeper | undefined }>;

const WAYS: readonly (readonly [string, Answers])[] = [
  ['the files', async (dir) => ({ lists: listsOf(dir), keeper: undefined })],
  ...(await loadDrivers()).map(
    (driver) =>
      [
        driver.name,
        async (dir: string) => {
          const keeper = await openKeeper(dir, driver);
          return { lists: listsOf(dir, keeper), keeper };
        },
      ] as const,
  ),
];

describe.each(WAYS)('%s', (_, open) => {
  const workflowsOf = async (lists: RecordLists, query: Partial<WorkflowQuery>): Promise<unknown[]> =>
    (await lists.listWorkflows({ limit: 9, ...query })).items.map((item) =>
      String(item.workflow_id).slice(9, 10),
    );
  const deliveriesOf = async (lists: RecordLists, query: Partial<DeliveryQuery>): Promise<unknown[]> =>
    (await lists.listDeliveries({ limit: 9, ...query })).items.map((item) => item.delivery_id);

  test('workflows are found by fields and words', async () => {
    const dir = await tempDir();
    writeRecords(dir);
    const { lists } = await open(dir);
    expect(await workflowsOf(lists, {})).toEqual(['2', '1']);
    for (const [query, found] of [
      [{ q: 'status:running' }, ['2']],
      [{ q: '-status:running' }, ['1']],
      [{ task_id: 'task-1' }, ['1']],
      [{ q: 'task:task-1 space' }, []],
      [{ q: 'work_item:2' }, ['2']],
      [{ q: 'phase:architect step:generate*' }, ['1']],
      [{ q: '/dev/sda1' }, ['2']],
      [{ q: '"space left"' }, ['2']],
      [{ q: '"left space"' }, []],
      [{ q: '容量' }, ['2']],
      [{ q: '-容量' }, ['1']],
      [{ sort: 'duration' as const }, ['1', '2']],
      [{ duration_min: 1 }, ['1']],
      [{ q: 'since:2026-11-22' }, []],
    ] as const)
      expect(await workflowsOf(lists, query), JSON.stringify(query)).toEqual(found);
  });

  test('deliveries are found by fields and words', async () => {
    const dir = await tempDir();
    writeRecords(dir);
    const { lists } = await open(dir);
    expect(await deliveriesOf(lists, {})).toEqual(['d-4', 'd-3', 'd-2', 'd-1']);
    for (const [query, found] of [
      [{ q: 'provider:jira' }, ['d-3']],
      [{ outcome: 'rejected' as const }, ['d-2']],
      [{ event_type: 'push' }, ['d-4']],
      [{ q: 'signature -provider:jira' }, ['d-2']],
      [{ q: '"signature does not"' }, ['d-2']],
      [{ q: 'src/a.ts' }, ['d-1']],
      [{ task_id: 'task-1' }, ['d-1']],
      [{ q: 'reason:the*' }, ['d-2']],
      [{ q: 'd-3' }, ['d-3']],
    ] as const)
      expect(await deliveriesOf(lists, query), JSON.stringify(query)).toEqual(found);
  });

  test('pages follow each other without gaps and repeats, and a cursor belongs to its query', async () => {
    const dir = await tempDir();
    writeDeliveries(
      dir,
      Array.from({ length: 25 }, (_, n) => delivery(n, { reason: n % 2 === 0 ? 'even words' : 'odd words' })),
    );
    const { lists } = await open(dir);
    const query = { q: 'words -odd', limit: 4, asked: 'q=words' };
    const found: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await lists.listDeliveries({ ...query, cursor });
      found.push(...page.items.map((item) => item.event_id));
      cursor = page.nextCursor ?? undefined;
      const other = lists.listDeliveries({ ...query, q: 'odd', asked: 'q=odd', cursor });
      if (cursor !== undefined) await expect(other).rejects.toThrow('cursor: belongs to another query');
    } while (cursor !== undefined);
    expect(found).toEqual(Array.from({ length: 13 }, (_, n) => `event-${24 - 2 * n}`));
  });

  test('an error points at the character', async () => {
    const { lists } = await open(await tempDir());
    for (const [q, error] of [
      ['ok status:failed', 'q: character 4: deliveries have no field status'],
      ['outcome:nonsense', 'q: character 9: outcome: "nonsense" is not one of'],
      ['a "b', 'q: character 3: the quote is not closed'],
    ] as const)
      await expect(lists.listDeliveries({ limit: 1, q }), q).rejects.toThrow(error);
    await expect(lists.listWorkflows({ limit: 1, q: 'duration:x' })).rejects.toThrow(
      'q: character 10: duration',
    );
    await expect(lists.listWorkflows({ limit: 1, q: 'cost:>1' })).rejects.toThrow(
      'workflows have no field cost',
    );
    await expect(lists.listWorkflows({ limit: 1, status: 'nonsense' })).rejects.toThrow(
      'status: must be one of',
    );
  });

  test('what changes is found, what is removed is not', async () => {
    const dir = await tempDir();
    writeRecords(dir);
    const { lists, keeper } = await open(dir);
    expect(await workflowsOf(lists, { q: 'late' })).toEqual([]);
    const id = 'workflow-2-20261121T110000Z';
    appendFileSync(
      join(monthOf(dir), `${id}.facts`),
      `${JSON.stringify(fact(id, 9, { event_type: 'error', payload: { message: 'late news' } }))}\n`,
    );
    writeDeliveries(dir, [delivery(9, { reason: 'late news' })]);
    keeper?.noteRecords('workflow', [id]);
    keeper?.noteRecords('delivery', [DAY]);
    expect(await workflowsOf(lists, { q: 'late' })).toEqual(['2']);
    expect(await deliveriesOf(lists, { q: 'late' })).toEqual(['d-9']);
    for (const suffix of ['.facts', '.jsonl']) rmSync(join(monthOf(dir), id + suffix), { force: true });
    rmSync(join(dir, '_webhooks', `${DAY}.jsonl`));
    keeper?.noteRecords('workflow', [id]);
    keeper?.noteRecords('delivery', [DAY]);
    expect(await workflowsOf(lists, { q: 'news' })).toEqual([]);
    expect(await deliveriesOf(lists, { q: 'news' })).toEqual([]);
  });

  test('a day that was replaced, a torn line and a hostile one', async () => {
    const dir = await tempDir();
    writeDeliveries(dir, [delivery(1, { reason: 'first words' })]);
    const { lists, keeper } = await open(dir);
    const path = join(dir, '_webhooks', `${DAY}.jsonl`);
    const lines = [
      delivery(2, { reason: 'second words', task_ids: [{ a: 1 }, 7, ''] as never }),
      null,
      7,
      {},
    ];
    writeFileSync(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"timestamp":"${DAY}T`);
    keeper?.noteRecords('delivery', [DAY]);
    expect(await deliveriesOf(lists, { q: 'words' })).toEqual(['d-2']);
    expect(await deliveriesOf(lists, { q: 'first' })).toEqual([]);
  });
});

test.each(await loadDrivers().then((drivers) => drivers.map((driver) => [driver.name, driver] as const)))(
  'a start of %s finds what changed while no process held the directory',
  async (_, driver) => {
    const dir = await tempDir();
    writeRecords(dir);
    await (await openKeeper(dir, driver)).close();
    const id = 'workflow-3-20261121T120000Z';
    writeWorkflow(monthOf(dir), id, { facts: wholeRun(id, {}) });
    writeDeliveries(dir, [delivery(9, { reason: 'late' })]);
    const lists = listsOf(dir, await openKeeper(dir, driver));
    expect((await lists.listWorkflows({ limit: 9, q: 'workflow-3-20261121T120000Z' })).items).toHaveLength(1);
    expect((await lists.listDeliveries({ limit: 9, q: 'late' })).items).toHaveLength(1);
    expect((await lists.listDeliveries({ limit: 9, q: 'signature' })).items).toHaveLength(1);
  },
);
