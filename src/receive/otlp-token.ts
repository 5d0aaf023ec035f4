import { createHmac } from 'node:crypto';

/**
 * What lets its bearer send records, and no more: agents get this one, for theirs is the telemetry and not the API. Made from
 * the token of the API, so that every process that knows that one knows this one too.
 */
export function otlpTokenOf(apiToken: string): string {
  return createHmac('sha256', apiToken).update('tasktrail otlp').digest('hex');
}
