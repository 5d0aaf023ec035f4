import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EVENT } from '../../../src/model/events.ts';
import { isoFromMs } from '../../../src/model/time.ts';
import { VictoriaLogs } from '../../../src/warehouse/client.ts';
import { type NewLine, rowsOf } from '../../../src/warehouse/rows.ts';
import { type ChangedUnit, ChangedUnits, readOpenTasks } from '../../../src/warehouse/watch/changed-units.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

const NOW = Date.parse('2026-01-02T03:04:05Z');

describe.skipIf('missing' in tool)('changed tasks and workflows', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    if ('missing' in tool) return;
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  function open(): {
    readonly logs: VictoriaLogs;
    add(line: Partial<NewLine>, ageMs?: number): Promise<void>;
  } {
    const logs = new VictoriaLogs(server.newTenant());
    let count = 0;
    return {
      logs,
      add: async (line, ageMs = 1_000) => {
        count += 1;
        const whole: NewLine = {
          ...{
            kind: 'output',
            unit: 'task-1',
            id: `id-${count}`,
            timestamp: isoFromMs(NOW),
            sender: 'trail',
          },
          ...{ text: '{}', ...line },
        };
        await logs.insert(rowsOf(whole, `${NOW - ageMs}000000`));
        await server.flush();
      },
    };
  }

  const names = (units: readonly ChangedUnit[]): readonly string[] =>
    units.map(({ what, id, hasFacts }) => `${what} ${id}${hasFacts ? ' with facts' : ''}`).sort();

  test('each change is seen once, also one that becomes visible after later ones', async () => {
    const { logs, add } = open();
    const changes = new ChangedUnits(logs, { fromMs: NOW - 60_000, now: () => NOW });
    await add({ unit: 'task-1' });
    await add({ kind: 'fact', unit: 'task-2' });
    await add({ kind: 'event', unit: 'workflow-1' });
    expect(names(await changes.read())).toEqual([
      'task task-1',
      'task task-2 with facts',
      'workflow workflow-1 with facts',
    ]);
    expect(await changes.read()).toEqual([]);
    await add({ unit: 'task-1' }, 9_000);
    expect(names(await changes.read())).toEqual(['task task-1']);
    await add({ unit: 'task-1', sender: 'agent' });
    const [changed] = await changes.read();
    expect([...(changed?.senders ?? [])]).toEqual(['agent']);
    await add({ kind: 'span', unit: 'task-1', sender: 'agent' });
    expect((await changes.read())[0]?.senders.size).toBe(0);
    expect(await changes.read()).toEqual([]);
  });

  test('from a place of hours ago on only facts and events are looked for, and later all lines', async () => {
    const { logs, add } = open();
    await add({ kind: 'fact', unit: 'task-old' }, 7_200_000);
    await add({ kind: 'output', unit: 'task-quiet' }, 7_200_000);
    await add({ kind: 'fact', unit: 'task-older' }, 7_200_000 * 2);
    await add({ kind: 'output', unit: 'task-new' });
    const changes = new ChangedUnits(logs, { fromMs: NOW - 3 * 3_600_000, now: () => NOW });
    expect(names(await changes.read())).toEqual(['task task-new', 'task task-old with facts']);
    expect(await changes.read()).toEqual([]);
  });

  test('open tasks are those without an end and those with facts after it', async () => {
    const { logs, add } = open();
    const end = { kind: 'fact', fields: { event: EVENT.result } } as const;
    for (const unit of ['ended', 'again', 'running', 'foreign'])
      await add({ kind: 'task', unit, text: '' }, 9_000);
    await add({ kind: 'fact', unit: 'running', fields: { event: EVENT.metadata } }, 8_000);
    await add({ kind: 'fact', unit: 'ended', fields: { event: EVENT.metadata } }, 8_000);
    await add({ ...end, unit: 'ended' }, 7_000);
    await add({ ...end, unit: 'again' }, 7_000);
    await add({ kind: 'fact', unit: 'again', fields: { event: EVENT.metadata } }, 6_000);
    expect([...(await readOpenTasks(logs))].sort()).toEqual(['again', 'foreign', 'running']);
  });
});
