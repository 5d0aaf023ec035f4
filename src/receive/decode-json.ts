import { messageOf, TasktrailError } from '../errors.ts';

/**
 * Most values that one request may hold. 64 MiB of real telemetry hold about 4 million brackets and commas (6 % of the
 * bytes), 64 MiB of `{},{},` hold 45 million and would take gigabytes and half a minute to parse.
 */
export const VALUES_MAX = 8_000_000;

const COMMA = 0x2c;
const BRACKET = 0x5b;
const BRACE = 0x7b;

/** An OTLP/JSON body, parsed. No bytes at all are an empty request in protobuf only. */
export function decodeJson(body: Buffer): unknown {
  // Fewer bytes cannot hold more values, so that ordinary requests are not scanned.
  if (body.length > VALUES_MAX && countValues(body) > VALUES_MAX) {
    throw new TasktrailError('ERR_TOO_LARGE', `the request holds more than ${VALUES_MAX} values`);
  }
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed JSON: ${messageOf(error)}`, { cause: error });
  }
}

/** Brackets and commas inside of strings count too: twice the real amount is allowed for them. */
function countValues(body: Buffer): number {
  let count = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === COMMA || byte === BRACKET || byte === BRACE) count++;
  }
  return count;
}
