import { connect, createServer } from 'node:net';
import { errnoOf, messageOf } from '../errors.ts';
import { firstOfText } from '../model/text.ts';
import { type HostPort, originOf, reachableHost } from '../system/http/node-server.ts';
import { ANSWER_MS, askHttp, isAnswer } from './http-answer.ts';
import { type KnownProgram, knownProgramAt } from './known-program.ts';

export type PortUser =
  | { readonly kind: 'free' }
  /** Listening failed for another reason than a port in use. */
  | { readonly kind: 'refused'; readonly errno: string | undefined; readonly reason: string }
  | { readonly kind: 'known'; readonly program: KnownProgram }
  | { readonly kind: 'stranger'; readonly name: string };

/** Which program listens on a port of this machine. Only a short listen of our own shows that a free port is usable. */
export async function findPortUser(at: HostPort): Promise<PortUser> {
  const host = reachableHost(at.host);
  if (!(await isConnectable({ ...at, host }))) return tryToListen(at);
  const origin = originOf({ ...at, host });
  const [program, answer] = await Promise.all([knownProgramAt(origin), askHttp({ url: `${origin}/` })]);
  if (program !== undefined) return { kind: 'known', program };
  if (!isAnswer(answer)) {
    const isSilent = answer.error === undefined;
    return { kind: 'stranger', name: `a program that ${isSilent ? 'does not answer' : 'speaks no HTTP'}` };
  }
  const { server } = answer.headers;
  return {
    kind: 'stranger',
    name: server === undefined ? 'another HTTP server' : `HTTP server ${firstOfText(String(server), 60)}`,
  };
}

function isConnectable({ host, port }: HostPort): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (isConnected: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isConnected);
    };
    const timer = setTimeout(() => end(false), ANSWER_MS / 2);
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}

function tryToListen({ host, port }: HostPort): Promise<PortUser> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', (error) => {
      const errno = errnoOf(error);
      if (errno === 'EADDRINUSE')
        resolve({ kind: 'stranger', name: 'a program that accepts no connections' });
      else resolve({ kind: 'refused', errno, reason: messageOf(error) });
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve({ kind: 'free' })));
  });
}
