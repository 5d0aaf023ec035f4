import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { Books } from '../../src/books.ts';
import { loadConfig } from '../../src/config/config.ts';
import { Journal } from '../../src/journal/journal.ts';
import { createSenders, destinationsOf } from '../../src/trail/destinations.ts';
import { startCollector } from '../export/fixture.ts';
import { freePort } from '../support/free-port.ts';
import { SOURCE } from '../support/journal-records.ts';
import { until } from '../support/until.ts';

afterEach(() => void vi.unstubAllEnvs());

/** Senders with these settings and a log record and a span in the journal. */
async function start(env: Readonly<Record<string, string>>): Promise<Books> {
  // The exporters' own package reads them from the process.
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-destinations-'));
  const config = loadConfig({ env: { TASK_LOGS_DIR: cwd, TASK_LOGS_STORE: 'false', ...env }, cwd });
  const books = new Books();
  const journal = new Journal({
    directory: join(cwd, '_journal'),
    destinations: destinationsOf(config),
    books,
  });
  const senders = await createSenders(config, { journal, books });
  onTestFinished(async () => {
    for (const sender of senders) await sender.stop(1_000);
    await journal.close();
    rmSync(cwd, { recursive: true, force: true });
  });
  for (const sender of senders) sender.start();
  journal.append(SOURCE, { kind: 'L', json: '{"timeUnixNano":"1"}' });
  journal.append(SOURCE, { kind: 'S', json: '{"name":"a span"}' });
  return books;
}

test('an endpoint of traces that is away does not delay the logs', async () => {
  const collector = await startCollector();
  const away = `http://127.0.0.1:${await freePort()}/v1/traces`;
  const books = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: away,
  });
  await until(() => books.reasons.get(away)?.includes('ECONNREFUSED') === true, 'the traces are refused');
  await until(() => books.snapshot().delivered[`${collector.url}/`] === 1, 'the log record has arrived');
  expect(collector.got.map(({ url }) => url)).toEqual(['/v1/logs']);
  expect(books.snapshot().unsent).toMatchObject({ [`${collector.url}/`]: 1 });
});

test('an endpoint of one signal needs no common one, and gets that signal alone', async () => {
  const collector = await startCollector();
  const url = `${collector.url}/custom`;
  const books = await start({
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
  });
  await until(() => books.snapshot().delivered[url] === 1, 'the span has arrived');
  expect(
    collector.got.map((got) => [got.url, JSON.parse(got.body).resourceSpans[0].scopeSpans[0].spans]),
  ).toEqual([['/custom', [{ name: 'a span' }]]]);
  // The log record has no endpoint, so it waits for a holder.
  await until(() => books.reasons.get('holder') !== undefined, 'the log record waits for a holder');
});
