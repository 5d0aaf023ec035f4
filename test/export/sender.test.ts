import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Books } from '../../src/books.ts';
import { EndpointTransport } from '../../src/export/endpoint-transport.ts';
import { Sender } from '../../src/export/sender.ts';
import type { SendResult, Transport } from '../../src/export/transport.ts';
import { cursorFileName } from '../../src/journal/cursor-files.ts';
import { Journal, type QueuedBatch } from '../../src/journal/journal.ts';
import { formatSegmentName } from '../../src/journal/segment-name.ts';
import { ownIdentity } from '../../src/system/process-identity.ts';
import { freePort } from '../support/free-port.ts';
import { nextTick, openJournal, record, SOURCE, segmentsIn, takeAll } from '../support/journal-records.ts';
import { DEADLINE_MS, until } from '../support/until.ts';
import { holderAt, numbersIn, ok, startCollector, startSending, status } from './fixture.ts';

function endpointAt(url: string): Transport {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  try {
    return new EndpointTransport();
  } finally {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test('records arrive in order, at most 512 in a request, one request at a time, and are counted', async () => {
  const collector = await startCollector((_got, res) => void setImmediate(() => res.end('{}')));
  const { journal, sender, books } = await startSending(holderAt(collector.url));
  for (let n = 0; n < 2000; n += 1) {
    record(journal, n);
    if (n % 100 === 0) await nextTick();
  }
  expect(await sender.drain(10_000)).toBe(true);
  expect(collector.got.flatMap(numbersIn)).toEqual(upTo(2000));
  expect(Math.max(...collector.got.map((got) => numbersIn(got).length))).toBe(512);
  expect(collector.together()).toBe(1);
  expect(books.snapshot()).toMatchObject({ recorded: 2000, delivered: { holder: 2000 }, dropped: {} });
  expect(books.reasons.size).toBe(0);
});

test('a request holds at most 4 MiB', async () => {
  const collector = await startCollector();
  const { journal, sender } = await startSending(holderAt(collector.url));
  for (let n = 0; n < 12; n += 1) record(journal, 'x'.repeat(1024 * 1024));
  expect(await sender.drain(10_000)).toBe(true);
  expect(collector.got.length).toBeGreaterThan(3);
  for (const { body } of collector.got) expect(body.length).toBeLessThanOrEqual(4 * 1024 * 1024);
});

test('a single record is sent without waiting for more records', async () => {
  const collector = await startCollector();
  const { journal } = await startSending(holderAt(collector.url));
  for (let n = 0; n < 5; n += 1) {
    record(journal, n);
    await until(() => collector.got.length > n, 'it arrived');
  }
  expect(collector.got.map(numbersIn)).toEqual([[0], [1], [2], [3], [4]]);
});

test('facts are sent before spans, each to its own path', async () => {
  const collector = await startCollector();
  const { journal, sender } = await startSending(holderAt(collector.url));
  journal.append(SOURCE, { kind: 'S', json: '{"n":1}' });
  record(journal, 2);
  await sender.drain(5_000);
  expect(collector.got.map(({ url }) => url)).toEqual(['/v1/logs', '/v1/traces']);
  expect(JSON.parse(collector.got[0]?.body ?? '')).toEqual({
    resourceLogs: [
      { resource: SOURCE.resource, scopeLogs: [{ scope: SOURCE.scope, logRecords: [{ n: 2 }] }] },
    ],
  });
  expect(JSON.parse(collector.got[1]?.body ?? '')).toEqual({
    resourceSpans: [{ resource: SOURCE.resource, scopeSpans: [{ scope: SOURCE.scope, spans: [{ n: 1 }] }] }],
  });
});

test('records that a 200 rejects are counted as dropped, with the reason as a notice', async () => {
  const collector = await startCollector(
    status(200, {}, '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"bad id"}}'),
  );
  const { journal, sender, books } = await startSending(holderAt(collector.url));
  for (const n of upTo(5)) record(journal, n);
  await sender.drain(5_000);
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 3 }, dropped: { rejected: 2 } });
  expect(books.notices.get('holder rejected')).toBe('bad id');
});

test('a 400 drops the batch with a count, and the next one is sent', async () => {
  const collector = await startCollector((got, res, nth) =>
    nth === 1 ? status(400, {}, 'no')(got, res, nth) : ok(got, res, nth),
  );
  const { journal, sender, books } = await startSending(holderAt(collector.url));
  record(journal, 1);
  await sender.drain(5_000);
  record(journal, 2);
  await sender.drain(5_000);
  expect(collector.got.map(numbersIn)).toEqual([[1], [2]]);
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 1 }, dropped: { refused: 1 } });
  expect(books.notices.get('holder refused')).toBe('logs: status 400: no');
});

test('only the record that makes a request malformed is dropped', async () => {
  const collector = await startCollector((got, res, nth) =>
    numbersIn(got).includes(13) ? status(400, {}, 'bad span')(got, res, nth) : ok(got, res, nth),
  );
  const { journal, sender, books } = await startSending(holderAt(collector.url));
  for (const n of upTo(40)) record(journal, n);
  expect(await sender.drain(10_000)).toBe(true);
  const taken = collector.got.map(numbersIn).filter((numbers) => !numbers.includes(13));
  expect(taken.flat()).toEqual(upTo(40).filter((n) => n !== 13));
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 39 }, dropped: { refused: 1 } });
});

test('a damaged line is dropped, and the other records of its request arrive', async () => {
  const collector = await startCollector((got, res, nth) => {
    try {
      JSON.parse(got.body);
      return ok(got, res, nth);
    } catch {
      return status(400)(got, res, nth);
    }
  });
  const { journal, sender, books, directory } = await startSending(holderAt(collector.url));
  const owner = { ...ownIdentity(), start: 'dead-1' };
  const name = formatSegmentName({ id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', owner, state: 'open' });
  await writeFile(
    join(directory, name),
    'H{"version":1,"destinations":["holder"]}\nL{"n":1}\nL{"n":2,,}\nL{"n":3}\n',
  );
  await journal.claimOrphans();
  await sender.drain(5_000);
  expect(collector.got.map(numbersIn).at(-1)).toEqual([1, 3]);
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 2 }, dropped: { damaged: 1 } });
});

test('a signal without a path at the endpoint is sent once and reported as a notice', async () => {
  const collector = await startCollector((got, res, nth) =>
    got.url === '/v1/logs' ? status(404)(got, res, nth) : ok(got, res, nth),
  );
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  const { journal, sender, books } = await startSending(new EndpointTransport());
  delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  for (const n of upTo(3)) {
    record(journal, n);
    journal.append(SOURCE, { kind: 'S', json: `{"n":${n}}` });
    await sender.drain(5_000);
  }
  expect(collector.got.map(({ url }) => url)).toEqual(['/v1/logs', '/v1/traces', '/v1/traces', '/v1/traces']);
  expect(books.notices.get('holder')).toContain('takes no logs');
  expect(books.reasons.size).toBe(0);
});

test.each([401, 403, 404])(
  "a foreign server that answers %d in the holder's place causes no loss",
  async (code) => {
    const foreign = await startCollector(status(code));
    const holder = await startCollector();
    let url = foreign.url;
    const { journal, sender, books } = await startSending(holderAt(async () => url));
    record(journal, 1);
    await until(() => foreign.got.length > 1, 'the foreign server has answered');
    url = holder.url;
    expect(await sender.drain(5_000)).toBe(true);
    expect(holder.got.flatMap(numbersIn)).toEqual([1]);
    expect(books.snapshot()).toMatchObject({ delivered: { holder: 1 }, dropped: {} });
  },
);

test('a request that is too large is halved until only the large record is left', async () => {
  const collector = await startCollector((got, res, nth) =>
    numbersIn(got).includes(5) ? status(413)(got, res, nth) : ok(got, res, nth),
  );
  const { journal, sender, books } = await startSending(holderAt(collector.url));
  for (const n of upTo(9)) record(journal, n);
  expect(await sender.drain(5_000)).toBe(true);
  const taken = collector.got.map(numbersIn).filter((numbers) => !numbers.includes(5));
  expect(taken.flat()).toEqual([0, 1, 2, 3, 4, 6, 7, 8]);
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 8 }, dropped: { too_large: 1 } });
});

test.each([429, 502, 503, 504])(
  'status %d is retried until it ends, and the books show it',
  { tags: 'full' },
  async (code) => {
    const collector = await startCollector((got, res, nth) =>
      nth <= 4 ? status(code)(got, res, nth) : ok(got, res, nth),
    );
    const { journal, sender, books } = await startSending(holderAt(collector.url));
    record(journal, 1);
    await until(() => books.reasons.has('holder'), 'it was refused');
    expect(books.reasons.get('holder')).toContain(`status ${code}`);
    record(journal, 2);
    expect(await sender.drain(10_000)).toBe(true);
    expect(collector.got.map(numbersIn)).toEqual([[1], [1], [1], [1], [1], [2]]);
    expect(books.reasons.size).toBe(0);
    expect(books.snapshot()).toMatchObject({ delivered: { holder: 2 }, dropped: {} });
  },
);

test('an unreachable or unknown address is retried until a receiver is there', async () => {
  const port = await freePort();
  let url: string | undefined;
  const { journal, sender, books } = await startSending(holderAt(async () => url));
  record(journal, 1);
  await until(() => books.reasons.get('holder')?.includes('no process holds') === true, 'it has looked');
  url = `http://127.0.0.1:${port}`;
  await until(() => books.reasons.get('holder')?.includes('ECONNREFUSED') === true, 'it has called');
  const collector = await startCollector(ok, port);
  expect(await sender.drain(10_000)).toBe(true);
  expect(collector.got.map(numbersIn)).toEqual([[1]]);
});

test('a connection that breaks before the answer leads to a retry', async () => {
  const collector = await startCollector((got, res, nth) => {
    if (nth === 1) res.destroy();
    else if (nth === 2) res.writeHead(200, { 'content-length': '100' }).write('{');
    else return ok(got, res, nth);
    if (nth === 2) setTimeout(() => res.destroy(), 20);
  });
  const { journal, sender, books } = await startSending(holderAt(collector.url));
  record(journal, 1);
  expect(await sender.drain(10_000)).toBe(true);
  expect(collector.got.map(numbersIn)).toEqual([[1], [1], [1]]);
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 1 } });
});

test.each(['holder', 'endpoint'])(
  'a request is repeated after Retry-After by the %s transport',
  { tags: 'full' },
  async (kind) => {
    const collector = await startCollector((got, res, nth) =>
      nth === 1 ? status(503, { 'retry-after': '1' })(got, res, nth) : ok(got, res, nth),
    );
    const { url } = collector;
    const { journal, sender } = await startSending(kind === 'holder' ? holderAt(url) : endpointAt(url));
    record(journal, 1);
    expect(await sender.drain(10_000)).toBe(true);
    expect(collector.got).toHaveLength(2);
  },
);

test.each(['holder', 'endpoint'])(
  'Retry-After is waited for by the %s transport',
  { tags: 'full' },
  async (kind) => {
    const patient = await startCollector(status(503, { 'retry-after': '3600' }));
    const plain = await startCollector(status(503));
    for (const { url } of [patient, plain]) {
      const { journal } = await startSending(kind === 'holder' ? holderAt(url) : endpointAt(url));
      record(journal, 1);
    }
    await until(() => plain.got.length > 5 && patient.got.length > 0, 'the other sender has retried');
    expect(patient.got).toHaveLength(1);
  },
);

/** A journal on a slow disk. */
class SlowJournal extends Journal {
  override async next(destination: string): Promise<QueuedBatch | undefined> {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return super.next(destination);
  }
}

test('drain waits for a backlog from before the start', { tags: 'full' }, async () => {
  const collector = await startCollector((_got, res) => void setTimeout(() => res.end('{}'), 50));
  const { directory, journal: first } = await startSending(holderAt(async () => undefined));
  for (const n of upTo(1500)) record(first, n);
  first.flush();
  await first.close();
  const books = new Books();
  const journal = new SlowJournal({ directory, destinations: ['holder'], books });
  onTestFinished(() => journal.close());
  await journal.claimOrphans();
  const opened = { journal, books };
  const sender = new Sender({
    ...opened,
    destination: 'holder',
    transport: holderAt(collector.url),
    retryMaxMs: 150,
  });
  sender.start();
  expect(await sender.drain(10_000)).toBe(true);
  expect(collector.got.flatMap(numbersIn)).toEqual(upTo(1500));
  await sender.stop(1_000);
});

test('drain resolves false when the deadline passes first', async () => {
  const { journal, sender } = await startSending(holderAt(async () => undefined));
  record(journal, 1);
  expect(await sender.drain(100)).toBe(false);
});

test('stop waits for the request in flight, and its records are not sent again', async () => {
  const collector = await startCollector((_got, res) => void setTimeout(() => res.end('{}'), 150));
  const { journal, sender, books, directory } = await startSending(holderAt(collector.url));
  record(journal, 1);
  await until(() => collector.got.length === 1, 'it is in flight');
  await sender.stop(5_000);
  expect(books.snapshot()).toMatchObject({ delivered: { holder: 1 } });
  await journal.close();
  const { journal: next } = openJournal(directory);
  await next.claimOrphans();
  expect(await takeAll(next)).toEqual([]);
});

test('stop does not wait for a request that hangs, and leaves its records to the next process', {
  tags: 'full',
}, async () => {
  let isInFlight = false;
  const hanging: Transport = {
    send: () => {
      isInFlight = true;
      return new Promise(() => {});
    },
    close: async () => {},
  };
  const { journal, sender, directory } = await startSending(hanging);
  record(journal, 1);
  await until(() => isInFlight, 'it is in flight');
  // A stop that waited for the request would never resolve.
  await sender.stop(100);
  await journal.close();
  const { journal: next } = openJournal(directory);
  await next.claimOrphans();
  expect(await takeAll(next)).toEqual([1]);
});

test('the token is sent to the holder', async () => {
  const collector = await startCollector();
  const { journal, sender } = await startSending(holderAt(collector.url, 'open sesame'));
  record(journal, 1);
  await sender.drain(5_000);
  expect(collector.got[0]?.headers.authorization).toBe('Bearer open sesame');
});

test('a failed save of a cursor is retried, also without another batch', { tags: 'full' }, async () => {
  const collector = await startCollector();
  const { journal, books } = await startSending(holderAt(collector.url));
  const done = journal.done.bind(journal);
  let refusals = 0;
  const saved: number[] = [];
  // The disk fails for a moment.
  journal.done = async (destination, batch) => {
    refusals += 1;
    if (refusals <= 3) throw new Error('ENOSPC: no space left on device');
    await done(destination, batch);
    saved.push(batch.next);
  };
  record(journal, 1);
  await until(
    () => books.reasons.get('journal cursors holder')?.includes('ENOSPC') === true,
    'the reason is set',
  );
  await until(() => saved.length === 1, 'it is saved');
  await until(() => books.reasons.size === 0, 'it is in order');
  expect(collector.got.flatMap(numbersIn)).toEqual([1]);
});

test('a cursor that can never be saved keeps no later record', async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const collector = await startCollector((_got, res) => void gate.then(() => res.end('{}')));
  const { directory, journal, sender, books } = await startSending(holderAt(collector.url));
  record(journal, 1);
  journal.flush();
  const [segment = ''] = await segmentsIn(directory);
  // A folder stands in the place of its temporary file.
  await mkdir(join(directory, `${cursorFileName(segment.slice(0, 26))}.tmp`));
  open();
  expect(await sender.drain(DEADLINE_MS)).toBe(true);
  await until(() => books.reasons.get('journal cursors holder')?.includes('EISDIR') === true, 'it is named');
  record(journal, 2);
  await until(() => collector.got.flatMap(numbersIn).includes(2), 'the next record is sent');
});

test('a hurried sender does not wait for the end of its pause, and gets what is taken again', async () => {
  let isWell = false;
  const collector = await startCollector((_got, res) => {
    if (!isWell) res.writeHead(503, { 'retry-after': '3600' });
    res.end('{}');
  });
  const { journal, sender } = await startSending(holderAt(collector.url));
  record(journal, 1);
  await until(() => collector.got.length > 0, 'the refusal');
  expect(await sender.drain(50)).toBe(false);
  isWell = true;
  sender.hurry();
  expect(await sender.drain(20_000)).toBe(true);
});

test('records that a transport takes are not sent; those that it does not take are', async () => {
  const collector = await startCollector();
  const taken: string[] = [];
  let answer: SendResult | undefined = { kind: 'retry', reason: 'the disk is full' };
  const sending = holderAt(collector.url);
  const { journal, sender, books } = await startSending({
    send: (signal, body) => sending.send(signal, body),
    close: () => sending.close(),
    take: (entries) => {
      if (answer?.kind === 'accepted') taken.push(...entries.map(({ json }) => json));
      return answer && Promise.resolve(answer);
    },
  });
  record(journal, 1);
  await until(() => books.reasons.get('holder')?.includes('the disk is full') === true, 'it is named');
  answer = { kind: 'accepted', rejected: 0 };
  expect(await sender.drain(DEADLINE_MS)).toBe(true);
  expect(taken.join()).toContain('"n":1');
  expect(books.reasons.size).toBe(0);
  // Another process holds the directory now.
  answer = undefined;
  record(journal, 2);
  expect(await sender.drain(DEADLINE_MS)).toBe(true);
  answer = { kind: 'refused', status: 400, reason: 'a damaged record' };
  record(journal, 3);
  expect(await sender.drain(DEADLINE_MS)).toBe(true);
  expect(collector.got.flatMap(numbersIn)).toEqual([2, 3]);
  expect(books.snapshot().delivered.holder).toBe(3);
});
