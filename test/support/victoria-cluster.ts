import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freeAddress } from './free-port.ts';
import { answersOk, ServerProcess } from './server-process.ts';
import { findTool, pathOf, type Tool } from './tool.ts';

/** The nginx in front of the parts, as docker-compose.yml mounts it. */
const STORE: string = resolve(import.meta.dirname, '../../collector/scale/store.conf');

/** A VictoriaLogs of two storage nodes, a vlselect and an nginx in front of them, on loopback. */
export interface VictoriaCluster {
  /** As the setting has it. */
  readonly address: string;
  readonly storage: readonly ServerProcess[];
  readonly select: ServerProcess;
  readonly proxy: ServerProcess;
  /** Addresses of all storage nodes, as host:port. */
  readonly nodes: readonly string[];
  /** Makes what was added visible at once. */
  flush(): Promise<void>;
  /** A process of the same program with these options. */
  start(name: string, args: readonly string[]): Promise<{ server: ServerProcess; address: string }>;
  /** Writes the configuration of the proxy again, with one more storage node and another vlselect, and loads it. */
  addNode(address: string, select: string): Promise<void>;
  stop(): Promise<void>;
}

export function findCluster(): Tool {
  const [logs, nginx] = [findTool('victoria-logs'), findTool('nginx')];
  return 'missing' in nginx ? nginx : logs;
}

export async function startVictoriaCluster(): Promise<VictoriaCluster> {
  const program = pathOf(findTool('victoria-logs'));
  const started: ServerProcess[] = [];
  const start = async (
    name: string,
    args: readonly string[],
  ): Promise<{ server: ServerProcess; address: string }> => {
    const directory = await mkdtemp(join(tmpdir(), `tasktrail-${name}-`));
    const address = await freeAddress();
    const common = [`-httpListenAddr=${address}`, '-retentionPeriod=100y'];
    const server = await ServerProcess.start({
      ...{ name, command: program, directory },
      args: [...common, `-storageDataPath=${join(directory, 'data')}`, ...args],
      isReady: () => answersOk(`http://${address}/health`),
    });
    started.push(server);
    return { server, address };
  };
  const [one, two] = [await start('vlstorage-1', []), await start('vlstorage-2', [])];
  const nodes = [one.address, two.address];
  const select = await start('vlselect', [`-storageNode=${nodes.join(',')}`, '-insert.disable']);
  const proxy = await startProxy({ nodes, select: select.address });
  started.unshift(proxy.server);
  return {
    ...{ address: `victorialogs://${proxy.address}`, storage: [one.server, two.server], nodes },
    ...{ select: select.server, proxy: proxy.server, start },
    flush: async () => {
      for (const node of nodes) await fetch(`http://${node}/internal/force_flush`).catch(() => undefined);
    },
    addNode: async (added, other) => {
      nodes.push(added);
      await proxy.reload({ nodes, select: other });
    },
    stop: async () => {
      for (const server of started) await server.stop();
    },
  };
}

interface Upstreams {
  readonly nodes: readonly string[];
  readonly select: string;
}

interface Proxy {
  readonly server: ServerProcess;
  readonly address: string;
  reload(upstreams: Upstreams): Promise<void>;
}

/** Runs nginx with the addresses of a test in place of those of the containers. */
async function startProxy(upstreams: Upstreams): Promise<Proxy> {
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-store-proxy-'));
  // Started by root, nginx works as another user, who writes long bodies to files in it.
  await chmod(directory, 0o755);
  const address = await freeAddress();
  const path = join(directory, 'nginx.conf');
  const text = await readFile(STORE, 'utf8');
  const write = ({ nodes, select }: Upstreams): Promise<void> => {
    const lines = nodes.map((node) => `server ${node} max_fails=1 fail_timeout=5s;`).join('\n');
    const own = text
      .replace(/server vlstorage-1:9428 .*\n\s*server vlstorage-2:9428 .*/, lines)
      .replace('vlselect:9428', select)
      .replace('listen 9428', `listen ${address}`)
      .replaceAll('/tmp/', `${directory}/`);
    return writeFile(path, own);
  };
  await write(upstreams);
  const server = await ServerProcess.start({
    ...{ name: 'nginx', command: pathOf(findTool('nginx')), directory },
    args: ['-c', path, '-p', directory],
    isReady: () => answersOk(`http://${address}/health`),
  });
  return {
    server,
    address,
    reload: async (changed) => {
      await write(changed);
      // 0 is the process group of this test.
      if (!server.isRunning) throw new Error(`nginx ended: ${server.logs()}`);
      process.kill(server.pid, 'SIGHUP');
    },
  };
}
