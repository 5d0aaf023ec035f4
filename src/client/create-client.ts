import { OPERATIONS, type Operations, type PagedOperations } from './api/operations.ts';
import { eventsOf } from './events.ts';
import type { CallOptions, Operation } from './operation.ts';
import { itemsOf } from './pages.ts';
import { answerOf, type Call, type ClientOptions, createSend, type Send } from './send.ts';

/** A client of the REST API. */
export interface Client extends Operations {
  /** For lists and windows: the items of all pages, one after the other. */
  readonly each: PagedOperations;
}

/**
 * A client of the REST API of a service, for Node and browsers. A method for each request, named as its `operationId` in
 * `/api/openapi.json`: first the ids of the path, then the body or the query, then options. Errors are `ApiProblem`; a failure of
 * the network is that of `fetch`. No request is repeated but those of streams.
 */
export function createClient(options: ClientOptions = {}): Client {
  const send = createSend(options);
  const methods: Record<string, unknown> = {};
  const each: Record<string, unknown> = {};
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    methods[name] = methodOf(operation, send, options.signal);
    if (operation.paging !== undefined)
      each[name] = (...args: readonly unknown[]) => itemsOf(send, callOf(operation, args), options.signal);
  }
  // The table and the interface are made from the same definitions.
  return { ...methods, each } as unknown as Client;
}

function methodOf(
  operation: Operation,
  send: Send,
  signal: AbortSignal | undefined,
): (...args: readonly unknown[]) => unknown {
  if (operation.answer === 'events') return (...args) => eventsOf(send, callOf(operation, args), signal);
  return async (...args) => {
    const response = await send(callOf(operation, args));
    return answerOf(response, operation);
  };
}

function callOf(operation: Operation, args: readonly unknown[]): Call {
  const left = [...args];
  const names = operation.path.match(/\{\w+\}/g) ?? [];
  return {
    operation,
    ids: left.splice(0, names.length) as readonly string[],
    body: operation.hasBody ? left.shift() : undefined,
    query: operation.hasQuery ? (left.shift() as object | undefined) : undefined,
    options: left.shift() as CallOptions | undefined,
  };
}
