import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';

const HEADER = 'Task-Logs-Partial';

/** RFC 7240, 4.4: the client takes an error rather than a lenient answer. */
const STRICT = /(?:^|[,;])\s*handling\s*=\s*"?strict"?\s*(?:$|[,;])/i;

/** The answer that the current request gets, when it may lack something. */
const answers = new AsyncLocalStorage<ServerResponse>();

/**
 * Runs what answers a request. While a part of the store is away, the answer may be made of the others, and has the header
 * `Task-Logs-Partial`. Only of a GET: what changes something must know all. `Prefer: handling=strict` asks for whole answers alone.
 */
export function allowPartialAnswer(req: IncomingMessage, res: ServerResponse, next: () => void): void {
  const isStrict = STRICT.test([req.headers.prefer ?? ''].flat().join(','));
  if ((req.method !== 'GET' && req.method !== 'HEAD') || isStrict) next();
  else answers.run(res, next);
}

/** Whether the answer of the current request can still be told from a whole one. */
export function mayBePartial(): boolean {
  return answers.getStore()?.headersSent === false;
}

/** Marks the answer of the current request. Returns false when that is not possible. */
export function tellPartial(): boolean {
  const answer = answers.getStore();
  if (answer === undefined || answer.headersSent) return false;
  answer.setHeader(HEADER, 'true');
  return true;
}
