import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { HostPort } from '../system/http/node-server.ts';
import { ANSWER_MS, askHttp, isAnswer } from './http-answer.ts';

/** `h2` and `h2c`: HTTP/2 only, with and without TLS, as on gRPC ports. */
export type SpokenProtocol = 'http' | 'https' | 'h2' | 'h2c' | undefined;

/**
 * Detects the protocol of a port that gave no valid answer to a request. Certificates are not verified: the probes carry
 * no data.
 */
export async function detectProtocol(url: string): Promise<SpokenProtocol> {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const at = { host, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
  const authority = `${hostname}:${at.port}`;
  const [isTls, isPlain, isPlainTwo] = await Promise.all([
    speaksTls(at),
    askHttp({ url: `http://${authority}/` }).then(isAnswer),
    speaksHttp2(`http://${authority}`),
  ]);
  if (isTls) return isTls === 'h2' ? 'h2' : 'https';
  if (isPlain) return 'http';
  return isPlainTwo ? 'h2c' : undefined;
}

/** The protocol that the server selects (ALPN). HTTP/1 is offered first, so `h2` means that it has nothing else. */
async function speaksTls({ host, port }: HostPort): Promise<'h2' | 'other' | undefined> {
  const handshake = (protocols: readonly string[]): Promise<string | undefined> =>
    new Promise((resolve) => {
      const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
      const options = { host, port, rejectUnauthorized: false, ALPNProtocols: [...protocols], ...name };
      const socket = connectTls(options, () => end(socket.alpnProtocol || 'none'));
      const timer = setTimeout(() => end(undefined), ANSWER_MS / 2);
      const end = (found: string | undefined): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(found);
      };
      socket.on('error', () => end(undefined));
      socket.on('close', () => end(undefined));
    });
  const chosen = await handshake(['http/1.1']);
  if (chosen !== undefined && chosen !== 'h2') return 'other';
  return (await handshake(['h2'])) === undefined ? undefined : 'h2';
}

/** An HTTP/2 server answers the connection preface with its settings (RFC 9113, section 3.4). */
async function speaksHttp2(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port || 80), hostname.replace(/^\[|\]$/g, ''));
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    const session = connectHttp2(url, { createConnection: () => socket });
    const end = (isSpoken: boolean): void => {
      clearTimeout(timer);
      session.destroy();
      socket.destroy();
      resolve(isSpoken);
    };
    const timer = setTimeout(() => end(false), ANSWER_MS / 2);
    session.on('remoteSettings', () => end(true));
    session.on('error', () => end(false));
    session.on('close', () => end(false));
  });
}
