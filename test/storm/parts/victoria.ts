import type { ServerProcess } from '../../support/server-process.ts';
import { startVictoriaCluster } from '../../support/victoria-cluster.ts';
import { findVictoriaLogs, startVictoriaLogs } from '../../support/victoria-logs.ts';
import { StoreProxy } from './store-proxy.ts';

/** A process of VictoriaLogs. */
export interface VictoriaPart extends Pick<ServerProcess, 'kill' | 'start' | 'pause' | 'resume'> {
  readonly name: string;
  /** Whether it stores rows: one that is killed loses those of its last seconds, as documented. */
  readonly isStorage: boolean;
}

/** A VictoriaLogs, and a proxy in front of it. */
export class Victoria {
  readonly parts: readonly VictoriaPart[];
  readonly proxy: StoreProxy;
  readonly #stop: () => Promise<void>;

  private constructor({ parts, stop }: Started, proxy: StoreProxy) {
    this.parts = parts;
    this.proxy = proxy;
    this.#stop = stop;
  }

  static async open(kind: 'victorialogs' | 'cluster'): Promise<Victoria> {
    const started = kind === 'cluster' ? await startCluster() : await startOne();
    const target = Number(new URL(started.address.replace('victorialogs:', 'http:')).port);
    const proxy = new StoreProxy(target);
    await proxy.listen();
    return new Victoria(started, proxy);
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.#stop();
  }
}

interface Started {
  readonly address: string;
  readonly parts: readonly VictoriaPart[];
  stop(): Promise<void>;
}

async function startOne(): Promise<Started> {
  const server = await startVictoriaLogs(findVictoriaLogs());
  const part: VictoriaPart = {
    ...{ name: 'victoria-logs', isStorage: true },
    kill: (signal) => server.kill(signal),
    start: () => server.start(),
    pause: () => server.pause(),
    resume: () => server.resume(),
  };
  return { address: server.address, parts: [part], stop: () => server.stop() };
}

async function startCluster(): Promise<Started> {
  const cluster = await startVictoriaCluster();
  const partOf = (name: string, server: ServerProcess, isStorage: boolean): VictoriaPart => ({
    ...{ name, isStorage },
    kill: (signal) => server.kill(signal),
    start: () => server.start(),
    pause: () => server.pause(),
    resume: () => server.resume(),
  });
  const storage = cluster.storage.map((server, n) => partOf(`vlstorage-${n + 1}`, server, true));
  const parts = [...storage, partOf('vlselect', cluster.select, false)];
  return { address: cluster.address, parts, stop: () => cluster.stop() };
}
