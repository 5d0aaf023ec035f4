import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { allowPartialAnswer } from '../../../src/serve/partial-answer.ts';
import { type CountingReader, partialReader } from '../../../src/trail/search/partial-reader.ts';
import { PartAwayError } from '../../../src/warehouse/client.ts';

const AWAY = new PartAwayError('ERR_STORE_UNAVAILABLE', 'a storage node is away', { retryable: true });

interface Parts {
  readonly headers: Map<string, string>;
  readonly notices: (string | undefined)[];
  readonly opened: number;
  ask<T>(read: (reader: CountingReader) => Promise<T>): Promise<T>;
  readonly reader: CountingReader;
}

/** A reader of two parts, where `whole` answers or throws, and `partial` is what the other part answers. */
function parts(whole: () => unknown, partial: () => unknown): Parts {
  const all = (answer: () => unknown): CountingReader =>
    new Proxy({} as CountingReader, {
      // Each method of the reader.
      get: () => async () => answer(),
      ownKeys: () => ['readFeed'],
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    });
  const headers = new Map<string, string>();
  const notices: (string | undefined)[] = [];
  let opened = 0;
  const reader = partialReader({
    whole: all(whole),
    openPartial: () => {
      opened += 1;
      return all(partial);
    },
    onPart: (problem) => void notices.push(problem),
  }) as CountingReader;
  const res = {
    headersSent: false,
    setHeader: (name: string, value: string) => headers.set(name, value),
  } as unknown as ServerResponse;
  const req = { method: 'GET', headers: {} } as IncomingMessage;
  return {
    ...{ headers, notices, reader },
    get opened() {
      return opened;
    },
    ask: (read) =>
      new Promise((resolve, reject) =>
        allowPartialAnswer(req, res, () => void read(reader).then(resolve, reject)),
      ),
  };
}

const away = (): never => {
  throw AWAY;
};

test('a whole answer is passed on, and not marked', async () => {
  const { ask, headers, notices } = parts(() => ({ items: [] }), away);
  expect(await ask((reader) => reader.listTasks({ limit: 1 }))).toEqual({ items: [] });
  expect([...headers]).toEqual([]);
  expect(notices).toEqual([undefined]);
});

test('without a part the answer is marked, and the same reader of parts is used again until an answer is whole', async () => {
  let isAway = true;
  const all = parts(
    () => (isAway ? away() : { items: [1, 2] }),
    () => ({ items: [1] }),
  );
  for (let times = 0; times < 3; times += 1)
    expect(await all.ask((reader) => reader.listTasks({ limit: 1 }))).toEqual({ items: [1] });
  expect([...all.headers]).toEqual([['Task-Logs-Partial', 'true']]);
  expect(all.opened).toBe(1);
  isAway = false;
  expect(await all.ask((reader) => reader.listTasks({ limit: 1 }))).toEqual({ items: [1, 2] });
  expect(all.notices.at(-1)).toBeUndefined();
  isAway = true;
  await all.ask((reader) => reader.listTasks({ limit: 1 }));
  expect(all.opened).toBe(2);
});

test.each([
  ['nothing', () => undefined],
  ['no task', () => false],
  [
    'a line that is gone',
    () => {
      throw new TasktrailError('ERR_GONE', 'no such line');
    },
  ],
])(
  'where the other part has %s, it may be in the part that is away: the error stands',
  async (_, partial) => {
    const { ask, headers } = parts(away, partial);
    await expect(ask((reader) => reader.readDocument('task-1', 'metadata'))).rejects.toBe(AWAY);
    expect([...headers]).toEqual([]);
  },
);

test('who cannot be told gets the error: a caller without a request, the feed, and other errors', async () => {
  const { reader, ask, opened } = parts(away, () => ({ items: [] }));
  await expect(reader.listDeliveries({ limit: 1 })).rejects.toBe(AWAY);
  await expect(ask((one) => one.readFeed({ limit: 1 }))).rejects.toBe(AWAY);
  expect(opened).toBe(0);
  const broken = new TasktrailError('ERR_STORE_UNAVAILABLE', 'it is away');
  const other = parts(
    () => {
      throw broken;
    },
    () => ({ items: [] }),
  );
  await expect(other.ask((one) => one.listTasks({ limit: 1 }))).rejects.toBe(broken);
});
