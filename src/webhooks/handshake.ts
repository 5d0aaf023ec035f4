import { ANSWER_HEADERS } from '../serve/problem.ts';
import type { Answer, Methods } from '../serve/routes.ts';
import type { Provider } from './provider.ts';
import { malformed } from './rejection.ts';

/** A name in DNS, or `*`. */
const ORIGIN = /^[A-Za-z0-9.*_:-]{1,255}$/;

/** Answers the requests without a body by which vendors check an address. They start nothing and are not recorded. */
const ANSWERS: Readonly<Record<'HEAD' | 'OPTIONS', Answer>> = {
  HEAD: (_, res) => {
    res.writeHead(200, ANSWER_HEADERS).end();
  },
  // CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 4: the origin is allowed to send, at any rate.
  OPTIONS: (req, res) => {
    const origin = req.headers['webhook-request-origin'];
    if (origin !== undefined && (typeof origin !== 'string' || !ORIGIN.test(origin))) {
      throw malformed('malformed_origin', 'WebHook-Request-Origin is not the name of a host');
    }
    const allowed =
      origin === undefined ? {} : { 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': '*' };
    res.writeHead(200, { ...ANSWER_HEADERS, Allow: 'POST, OPTIONS', ...allowed }).end();
  },
};

export function handshakeMethods({ handshakes = [] }: Provider): Methods {
  return Object.fromEntries(handshakes.map((method) => [method, ANSWERS[method]]));
}
