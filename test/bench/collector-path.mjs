import { randomInt } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endChild, nextLine, settings, startChild, withTempDir } from './child.mjs';
import { startCollector } from './collector-process.mjs';

const CONFIG = fileURLToPath(new URL('../../collector/config.yaml', import.meta.url));
const POLL_MS = 2;
const STORED_MS_MAX = 30_000;

/** Settings that remove backends which are not running: Jaeger, Loki and S3. */
const ALONE = [
  'service::pipelines::logs/loki::exporters=[nop]',
  'service::pipelines::logs/loki::processors=[]',
];

/** The settings of the collector between the app and the store; undefined for no collector. */
const BETWEEN = {
  nothing: undefined,
  store: [
    ...ALONE,
    'service::pipelines::traces::exporters=[otlp_http/spans]',
    'service::pipelines::logs/copies::exporters=[nop]',
  ],
  all: [
    ...ALONE,
    'service::pipelines::traces::exporters=[otlp_http/spans, file/traces]',
    'service::pipelines::logs/copies::exporters=[file/logs]',
  ],
};

/** Starts the paths `names` of BETWEEN, each with its own processes and directory, and ends them after `use`. */
export async function withPaths(program, names, use) {
  await withTempDir(async (dir) => {
    const started = [];
    const paths = {};
    try {
      for (const name of names) {
        paths[name] = await startPath(join(dir, name), { program, sets: BETWEEN[name], started });
      }
      await use(paths);
    } finally {
      for (const { output } of Object.values(paths)) await output.close();
      // Senders end before their receivers.
      for (const process of started.reverse()) await endChild(process);
    }
  });
}

async function startPath(dir, { program, sets, started }) {
  const keep = (process) => {
    started.push(process);
    return process;
  };
  await mkdir(dir, { recursive: true });
  const store = keep(startChild('otlp-holder-process.mjs', { dir }));
  let url = await nextLine(store, (line) => line);
  const processes = { store };
  if (sets !== undefined) {
    const env = {
      COLLECTOR_HOST: loopback(),
      COLLECTOR_DATA: join(dir, 'collector'),
      TASKTRAIL_ENDPOINT: url,
    };
    processes.collector = keep(await startCollector(program, { config: CONFIG, sets, env }));
    url = processes.collector.url;
  }
  const env = settings(dir, {
    TASK_LOGS_DIR: join(dir, 'app'),
    TASK_LOGS_STORE: 'false',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
  });
  processes.app = keep(startChild('collector-app-process.mjs', { dir, env }));
  const { taskId } = JSON.parse(await nextLine(processes.app, (line) => line));
  return { processes, output: new Tail(join(dir, 'logs', taskId, '03-agent-output.jsonl')) };
}

/** A random loopback address: several collectors listen on the same fixed ports. */
function loopback() {
  return `127.${[randomInt(1, 255), randomInt(1, 255), randomInt(1, 255)].join('.')}`;
}

/** Follows a file of the store by polling. */
class Tail {
  #path;
  #file;
  #position = 0;
  #rest = '';
  #buffer = Buffer.allocUnsafe(1024 * 1024);

  constructor(path) {
    this.#path = path;
  }

  /** Calls `onLine` for each of the next `count` lines when it becomes readable. */
  async follow(count, onLine) {
    const until = performance.now() + STORED_MS_MAX;
    for (let seen = 0; seen < count; ) {
      const lines = await this.#next();
      for (const line of lines) onLine(line);
      seen += lines.length;
      if (performance.now() > until) throw new Error(`${seen} of ${count} lines were stored`);
      if (lines.length === 0) await delay(POLL_MS);
    }
  }

  async close() {
    await this.#file?.close();
  }

  async #next() {
    this.#file ??= await open(this.#path, 'r').catch(() => undefined);
    if (this.#file === undefined) return [];
    const { bytesRead } = await this.#file.read(this.#buffer, 0, this.#buffer.length, this.#position);
    this.#position += bytesRead;
    const lines = (this.#rest + this.#buffer.toString('utf8', 0, bytesRead)).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}
