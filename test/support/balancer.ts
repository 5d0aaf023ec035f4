import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './free-port.ts';

/** Connections on one port that go to several addresses in turn; one that refuses is left out. */
export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

/** `urls` is asked for each connection. */
export async function startBalancer(urls: () => readonly string[]): Promise<Balancer> {
  const sockets = new Set<Socket>();
  let turn = 0;
  const join = (client: Socket, left: readonly string[]): void => {
    const [first, ...rest] = left;
    if (first === undefined) {
      client.destroy();
      return;
    }
    const server = connect(Number(new URL(first).port), '127.0.0.1');
    sockets.add(server);
    let isOpen = false;
    server.once('connect', () => {
      isOpen = true;
      client.pipe(server).pipe(client);
    });
    server.on('error', () => (isOpen ? client.destroy() : join(client, rest)));
    server.on('close', () => {
      sockets.delete(server);
      if (isOpen) client.destroy();
    });
    client.on('close', () => server.destroy());
  };
  const listener = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {});
    client.on('close', () => sockets.delete(client));
    const all = urls();
    turn += 1;
    join(
      client,
      all.map((_, index) => all[(index + turn) % all.length] ?? ''),
    );
  });
  const port = await freePort();
  await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
