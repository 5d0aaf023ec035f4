import type { PlainLogRecord } from '../model/otlp.ts';
import type { Hash } from '../model/workflow-span.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const NS_PER_MS = 1_000_000n;
/** The time of a ULID is 48 bits of milliseconds. */
const TIME_MASK = (1n << 48n) - 1n;
const NANOS_BITS = 20n;
const HASH_BITS = 60n;

/**
 * The event id of a record without one: a ULID of the record's time, the rest of its nanoseconds in 20 bits, and 60 bits of
 * a hash of its content and its ordinal among equal records of the request. A record that is sent again gets the same id.
 */
export function foreignEventId(identity: RecordIdentity, ordinal: number, hash: Hash): string {
  const nanos = BigInt(identity.timeUnixNano);
  const digest = hash(`${ordinal}\n${identity.text}`);
  const bits =
    (((nanos / NS_PER_MS) & TIME_MASK) << (NANOS_BITS + HASH_BITS)) |
    ((nanos % NS_PER_MS) << HASH_BITS) |
    BigInt(`0x${digest.slice(0, 15)}`);
  return encodeUlid(bits);
}

/** Two records with the same identity are equal. */
export interface RecordIdentity {
  readonly timeUnixNano: string;
  readonly text: string;
}

/**
 * The body is in its wire order, not in canonical order: a sender that retries sends the same bytes, and the ids of stored
 * records must stay reproducible.
 */
export function identityOf(record: PlainLogRecord): RecordIdentity {
  const names = Object.keys(record.attributes).sort();
  const text = JSON.stringify([
    record.timeUnixNano,
    record.eventName ?? null,
    record.body ?? null,
    record.severityNumber ?? null,
    record.severityText ?? null,
    record.traceId ?? null,
    record.spanId ?? null,
    ...names.flatMap((name) => [name, record.attributes[name] ?? null]),
  ]);
  return { timeUnixNano: record.timeUnixNano, text };
}

function encodeUlid(bits: bigint): string {
  let text = '';
  let rest = bits;
  for (let index = 0; index < 26; index += 1) {
    text = CROCKFORD.charAt(Number(rest & 31n)) + text;
    rest >>= 5n;
  }
  return text;
}
