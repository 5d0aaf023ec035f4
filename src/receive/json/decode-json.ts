import { parsedJson } from './outline-json.ts';

/**
 * Parses an OTLP/JSON body at once. An empty body is malformed here; only in protobuf it is an empty request. For small
 * bodies: `outlineJson` counts first, and lets other work run.
 */
export function decodeJson(body: Buffer): unknown {
  return parsedJson(body.toString('utf8')).value;
}
