import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { ServerProcess } from './server-process.ts';
import { findTool, pathOf, type Tool } from './tool.ts';

export function findVictoriaLogs(): Tool {
  return findTool('victoria-logs');
}

/** A VictoriaLogs on loopback with a temporary directory. */
export interface VictoriaLogsServer {
  /** As the setting has it. */
  readonly address: string;
  readonly url: string;
  /** The address of a part without rows. */
  newTenant(): string;
  readonly pid: number;
  /** Makes what was added visible at once, which takes up to a second otherwise. */
  flush(): Promise<void>;
  logs(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts again on the same port with the same data. */
  start(): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startVictoriaLogs(
  tool: Tool,
  args: readonly string[] = [],
): Promise<VictoriaLogsServer> {
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-victoria-logs-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await ServerProcess.start({
    name: 'victoria-logs',
    command: pathOf(tool),
    args: [
      `-storageDataPath=${join(directory, 'data')}`,
      `-httpListenAddr=127.0.0.1:${port}`,
      // The clock of tests is at another time.
      '-retentionPeriod=100y',
      ...args,
    ],
    isReady: async () => (await fetch(`${url}/health`)).ok,
    directory,
  });
  let tenants = 0;
  return {
    newTenant: () => {
      tenants += 1;
      return `victorialogs://127.0.0.1:${port}?tenant=${tenants}`;
    },
    address: `victorialogs://127.0.0.1:${port}`,
    url,
    get pid() {
      return server.pid;
    },
    flush: async () => {
      await fetch(`${url}/internal/force_flush`);
    },
    logs: () => server.logs(),
    kill: (signal) => server.kill(signal),
    start: () => server.start(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    stop: () => server.stop(),
  };
}
