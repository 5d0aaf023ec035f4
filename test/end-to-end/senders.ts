import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { findTool, pathOf } from '../support/tool.ts';

const AGENT: string = resolve(import.meta.dirname, 'agent.py');

/** Timeout of a sender, below the timeout of the tests. */
const RUN_MS = 60_000;

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the load generator of the collector project: `telemetrygen(['traces', '--otlp-endpoint', grpc, '--otlp-insecure',
 * '--rate', '0', '--traces', '100'])`. The default rate is one per second; 0 means no limit.
 */
export function telemetrygen(args: readonly string[]): Promise<Ran> {
  return run(pathOf(findTool('telemetrygen')), args, {});
}

export interface PythonAgentOptions {
  /** OTLP over HTTP, of the collector or of tasktrail. */
  readonly endpoint: string;
  readonly taskId: string;
  /** Additional variables, such as TRACEPARENT or OTEL_EXPORTER_OTLP_HEADERS. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs agent.py, which uses the stock Python SDK and only knows the task id. */
export function pythonAgent({ endpoint, taskId, env = {} }: PythonAgentOptions): Promise<Ran> {
  return run(pathOf(findTool('python')), [AGENT], {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_SERVICE_NAME: 'python-agent',
    OTEL_RESOURCE_ATTRIBUTES: `tasktrail.task.id=${encodeURIComponent(taskId)}`,
    ...env,
  });
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, timeout: RUN_MS });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
