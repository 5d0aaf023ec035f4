import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** `answer`: the target gets the request, and its answer is cut off. */
export type CutMode = 'open' | 'refuse' | 'hang' | 'reset' | 'answer';

/** Bytes of a request that pass before a reset. */
const RESET_AFTER_BYTES = 300;

/** A TCP proxy whose connections can be cut. It connects to the first target that accepts. */
export class CutProxy {
  mode: CutMode = 'open';
  readonly #targets: () => readonly number[];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #hanging = new Set<Socket>();

  constructor(targets: () => readonly number[]) {
    this.#targets = targets;
    this.#server = createServer((client) => void this.#connected(client));
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Ends the connections that hang. */
  open(): void {
    this.mode = 'open';
    for (const socket of this.#hanging) socket.resetAndDestroy();
  }

  get hanging(): number {
    return this.#hanging.size;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #connected(client: Socket): Promise<void> {
    this.#track(client);
    if (this.mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    client.pause();
    if (this.mode === 'hang') {
      this.#hang(client);
      return;
    }
    const target = await this.#reach();
    if (target === undefined) {
      client.resetAndDestroy();
      return;
    }
    this.#track(target);
    let passed = 0;
    client.on('data', (bytes: Buffer) => {
      passed += bytes.length;
      if (this.mode === 'hang') {
        this.#hang(client);
        return;
      }
      if (this.mode === 'reset' && passed > RESET_AFTER_BYTES) {
        target.write(bytes.subarray(0, RESET_AFTER_BYTES));
        client.resetAndDestroy();
        target.destroy();
        return;
      }
      if (!target.write(bytes)) {
        client.pause();
        target.once('drain', () => client.resume());
      }
    });
    target.on('data', (bytes: Buffer) => {
      if (this.mode === 'open') client.write(bytes);
      else if (this.mode === 'hang') this.#hang(client);
      else client.resetAndDestroy();
    });
    client.once('close', () => target.destroy());
    target.once('close', () => client.destroy());
    client.resume();
  }

  #hang(client: Socket): void {
    client.pause();
    this.#hanging.add(client);
    client.once('close', () => this.#hanging.delete(client));
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #reach(): Promise<Socket | undefined> {
    for (const port of this.#targets()) {
      const socket = connect(port, '127.0.0.1');
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (isOpen) return socket;
    }
    return undefined;
  }
}
