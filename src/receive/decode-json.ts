import { messageOf, TasktrailError } from '../errors.ts';
import { parseWellFormed } from '../model/text.ts';
import { withFieldNames } from './field-names.ts';

/**
 * The largest number of values in a request. 64 MiB of real telemetry contain about 4 million brackets and commas (6 % of
 * the bytes); 64 MiB of `{},{},` contain 45 million, and would take gigabytes of memory and half a minute to parse.
 */
export const VALUES_MAX = 8_000_000;

const COMMA = 0x2c;
const BRACKET = 0x5b;
const BRACE = 0x7b;

/** Parses an OTLP/JSON body. An empty body is malformed here; only in protobuf it is an empty request. */
export function decodeJson(body: Buffer): unknown {
  // A body with fewer bytes cannot hold more values, so ordinary requests are not scanned.
  if (body.length > VALUES_MAX && countValues(body) > VALUES_MAX) {
    throw new TasktrailError('ERR_TOO_LARGE', `the request holds more than ${VALUES_MAX} values`);
  }
  try {
    const text = body.toString('utf8');
    return withFieldNames(parseWellFormed(text), text);
  } catch (error) {
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed JSON: ${messageOf(error)}`, { cause: error });
  }
}

/** Counts brackets and commas, also inside strings: the limit is twice the number in real telemetry to allow for those. */
function countValues(body: Buffer): number {
  let count = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === COMMA || byte === BRACKET || byte === BRACE) count++;
  }
  return count;
}
