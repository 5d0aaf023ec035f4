import { messageOf, TasktrailError } from '../../errors.ts';
import type { Message } from '../../model/otlp-messages.ts';
import { MessageReader, malformed } from './message-reader.ts';

/**
 * Decodes an OTLP/protobuf body at once to its OTLP/JSON shape. For small bodies: `outlineProtobuf` counts first, and lets
 * other work run.
 */
export function decodeProtobuf(body: Buffer, message: Message): unknown {
  const decoded = readingProtobuf(() => new MessageReader(body).readAt(message, 0, body.length));
  // Any text of some bytes can be read as unknown fields.
  if (body.length > 0 && Object.keys(decoded).length === 0) throw malformed('no field of it is known');
  return decoded;
}

/** Runs a reader of the wire format; what it throws about the bytes becomes `ERR_INPUT_INVALID`. */
export function readingProtobuf<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TasktrailError) throw error;
    throw new TasktrailError('ERR_INPUT_INVALID', `malformed protobuf: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
