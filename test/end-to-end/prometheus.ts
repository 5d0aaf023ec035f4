import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freeAddress } from '../support/free-port.ts';
import { answersOk, ServerProcess } from '../support/server-process.ts';
import { findTool, pathOf } from '../support/tool.ts';

export interface Prometheus {
  readonly server: ServerProcess;
  readonly url: string;
}

const CONFIG: string = resolve(import.meta.dirname, '../../collector/prometheus.local.yaml');

/**
 * Prometheus with collector/prometheus.local.yaml, but a scrape interval of one second and other addresses: `targets` maps
 * each address of the file to its replacement.
 */
export async function startPrometheus(targets: Readonly<Record<string, string>>): Promise<Prometheus> {
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-prometheus-'));
  const address = await freeAddress();
  const config = join(directory, 'prometheus.yaml');
  await writeFile(config, configFor(await readFile(CONFIG, 'utf8'), targets));
  const server = await ServerProcess.start({
    name: 'prometheus',
    command: pathOf(findTool('prometheus')),
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ],
    isReady: () => answersOk(`http://${address}/-/ready`),
    directory,
  });
  return { server, url: `http://${address}` };
}

function configFor(text: string, targets: Readonly<Record<string, string>>): string {
  let config = replaced(text, /scrape_interval: \w+/, 'scrape_interval: 1s');
  for (const [theirs, ours] of Object.entries(targets)) config = replaced(config, theirs, ours);
  return config;
}

function replaced(text: string, what: string | RegExp, by: string): string {
  const out = text.replace(what, by);
  if (out === text) throw new TypeError(`prometheus.local.yaml does not contain ${what}`);
  return out;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Runs an instant query. A scalar becomes a sample without labels. */
export async function query(prometheusUrl: string, promql: string): Promise<Sample[]> {
  const { resultType, result } = await ask<Vector>(`${prometheusUrl}/api/v1/query`, { query: promql });
  if (resultType === 'scalar') return [{ metric: {}, value: Number(result[1]) }];
  if (resultType !== 'vector') throw new TypeError(`${promql} gives a ${resultType}`);
  return result.map(({ metric, value: [, text] }) => ({ metric, value: Number(text) }));
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** Runs a range query over the last minutes with a step of one second. */
export async function queryRange(prometheusUrl: string, promql: string, minutes = 5): Promise<Series[]> {
  const end = Date.now() / 1_000;
  const range = { start: String(end - minutes * 60), end: String(end), step: '1' };
  const { result } = await ask<Matrix>(`${prometheusUrl}/api/v1/query_range`, { query: promql, ...range });
  return result.map(({ metric, values }) => ({ metric, values: values.map(([, text]) => Number(text)) }));
}

type Vector =
  | { readonly resultType: 'scalar'; readonly result: readonly [number, string] }
  | { readonly resultType: 'string' | 'matrix'; readonly result: unknown }
  | {
      readonly resultType: 'vector';
      readonly result: readonly { metric: Readonly<Record<string, string>>; value: [number, string] }[];
    };

interface Matrix {
  readonly result: readonly { metric: Readonly<Record<string, string>>; values: [number, string][] }[];
}

async function ask<T>(url: string, parameters: Readonly<Record<string, string>>): Promise<T> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(parameters) });
  const text = await response.text();
  if (!response.ok) throw new Error(`Prometheus: ${response.status} ${text} (${parameters.query})`);
  // The documented response for the result type of the caller's query.
  return (JSON.parse(text) as { data: T }).data;
}
