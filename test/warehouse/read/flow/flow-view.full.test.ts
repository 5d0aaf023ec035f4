import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VictoriaLogs } from '../../../../src/warehouse/client.ts';
import { storedId } from '../../../../src/warehouse/line-order.ts';
import type { FlowPage } from '../../../../src/warehouse/read/flow/flow-page.ts';
import { FlowView } from '../../../../src/warehouse/read/flow/flow-view.ts';
import { openLineWindow } from '../../../../src/warehouse/read/flow/line-window.ts';
import type { NewLine } from '../../../../src/warehouse/rows.ts';
import { RowWriter } from '../../../../src/warehouse/write/row-writer.ts';
import {
  findVictoriaLogs,
  startVictoriaLogs,
  type VictoriaLogsServer,
} from '../../../support/victoria-logs.ts';

const tool = findVictoriaLogs();
const MS = Date.parse('2026-01-02T03:04:05.000Z');

/** More than a flow that is read whole, and than one of which a part is asked for. */
const LINES = 22_000;

describe.skipIf('missing' in tool)('a flow of a VictoriaLogs', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test.each([LINES, 300])(
    'a flow of %i lines has each record once, in order, in any window',
    async (count) => {
      const logs = new VictoriaLogs(server.newTenant());
      const expected = await write(logs, count);
      await server.flush();
      const place = { logs, kind: 'output', unit: 'task-1' } as const;

      const whole = await FlowView.open(place, { isWhole: true });
      const texts: string[] = [];
      for await (const lines of whole?.pages() ?? []) texts.push(...lines.map(({ text }) => text));
      expect(texts.length).toBe(expected.length);
      expect(texts).toEqual(expected.map(({ text }) => text));

      const view = await FlowView.open(place);
      if (view === undefined) throw new Error('no flow');
      expect(view.lineCount).toBe(expected.length);
      for (const number of [0, 1, count / 3, count / 2, expected.length - 1].map(Math.floor)) {
        const line = expected[number];
        const at = await view.nth(number);
        expect([number, at]).toEqual([number, expect.objectContaining(placeOf(line))]);
        if (at === undefined || line === undefined) continue;
        expect([number, await view.countBefore(at)]).toEqual([number, number]);
        expect(await view.find(storedId(line.id))).toMatchObject(placeOf(line));
        for (const limit of [1, 7, 100]) {
          expect(textsIn(await view.page({ after: at, lines: limit }))).toEqual(
            expected.slice(number + 1, number + 1 + limit).map(({ text }) => text),
          );
          expect(textsIn(await view.page({ before: at, isBackward: true, lines: limit }))).toEqual(
            expected.slice(Math.max(0, number - limit), number).map(({ text }) => text),
          );
        }
      }
      expect(await view.nth(expected.length)).toBeUndefined();

      const window = await openLineWindow(view, { limit: 5, tail: 5 });
      expect(await linesOf(window.lines())).toEqual(expected.slice(-5).map(({ text }) => text));
      expect([window.firstLine, window.next]).toEqual([expected.length - 5, undefined]);
    },
  );
});

/** Bursts with pauses, copies of a record, one by a sender with more rights, and lines that came in another order. */
async function write(logs: VictoriaLogs, count: number): Promise<readonly NewLine[]> {
  const lines = Array.from({ length: count }, (_, number): NewLine => {
    const ms = MS + number + Math.floor(number / 1_000) * 3_600_000;
    return lineOf(number, new Date(ms).toISOString(), 'agent', `line ${number}`);
  });
  const copies = [5, count - 2].map((number): NewLine => lines[number] as NewLine);
  const better = lineOf(7, new Date(MS + 90_000).toISOString(), 'trail', 'of the trail');
  let nowMs = MS;
  const writer = new RowWriter(logs, () => nowMs);
  // The second half first: what came later stands earlier.
  const half = count / 2;
  for (const part of [lines.slice(half), lines.slice(0, half), copies, [better]]) {
    for (let at = 0; at < part.length; at += 1_000) {
      nowMs += 60_000;
      await writer.store(part.slice(at, at + 1_000));
    }
  }
  return [...lines.filter((_, number) => number !== 7), better].sort(
    (a, b) => (a.timestamp < b.timestamp ? -1 : Number(a.timestamp > b.timestamp)) || (a.id < b.id ? -1 : 1),
  );
}

function lineOf(number: number, timestamp: string, sender: NewLine['sender'], text: string): NewLine {
  const id = `01JY${String(number).padStart(22, '0')}`;
  return { kind: 'output', unit: 'task-1', id, timestamp, sender, text };
}

function placeOf(line: NewLine | undefined) {
  return { at: Date.parse(line?.timestamp ?? ''), id: storedId(line?.id ?? '') };
}

function textsIn({ lines }: FlowPage): readonly string[] {
  return lines.map(({ text }) => text);
}

async function linesOf(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const line of lines) texts.push(line);
  return texts;
}
