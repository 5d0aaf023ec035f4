import { decodeTime, encodeTime, incrementBase32, isValid } from 'ulid';
import type { OutputPlace, RunOrigin } from '../model/agent-output.ts';
import { isoFromMs } from '../model/time.ts';

/** Crockford's base 32, the alphabet of ULIDs. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Each two digits, by their value: an id ends in a counter, and dividing takes time for each digit. */
const PAIRS: readonly string[] = Array.from(DIGITS, (high) => Array.from(DIGITS, (low) => high + low)).flat();

const TIME_DIGITS = 10;
/** Random digits before those that count. */
const HEAD_DIGITS = 11;
/** Of five digits. The first id of a millisecond begins at a random number. */
const COUNT_MAX = 2 ** 25;

/** Random bytes for the ids of 16 milliseconds: the cost is per system call, not per byte. */
const random = new Uint8Array(256);
let drawn = random.length;

let lastMs = 0;
/** Time and random digits of the ids of the last millisecond. */
let idMs = -1;
let idTime = '';
let idHead = '';
let idStart = '';
let idCount = 0;

/** The time and the id of a fact, minted together: sorting by either gives the same order. */
export interface Moment {
  readonly timeMs: number;
  readonly eventId: string;
}

/**
 * The current time, with an event id (ULID) that is greater than all earlier ones of this process. After the system clock
 * steps back, the time stays constant until the clock has caught up: a later fact never sorts before an earlier one.
 */
export function mintMoment(): Moment {
  lastMs = Math.max(lastMs, Date.now());
  return { timeMs: lastMs, eventId: nextUlid(lastMs) };
}

/** A ULID. Those of one millisecond count upwards, as the specification of ULIDs asks for. */
function nextUlid(timeMs: number): string {
  idCount += 1;
  if (timeMs !== idMs) drawHead(timeMs);
  else if (idCount === COUNT_MAX) {
    idCount = 0;
    idHead = incrementBase32(idHead);
    idStart = idTime + idHead;
  }
  return `${idStart}${DIGITS.charAt(idCount >>> 20)}${PAIRS[(idCount >>> 10) & 1023]}${PAIRS[idCount & 1023]}`;
}

function drawHead(timeMs: number): void {
  idMs = timeMs;
  idTime = encodeTime(timeMs, TIME_DIGITS);
  // Of the first digit one bit is zero: what follows can always count on.
  idHead = DIGITS.charAt(nextByte() & 15);
  for (let digit = 1; digit < HEAD_DIGITS; digit += 1) idHead += DIGITS.charAt(nextByte() & 31);
  idStart = idTime + idHead;
  idCount = ((nextByte() & 1) << 24) | (nextByte() << 16) | (nextByte() << 8) | nextByte();
}

function nextByte(): number {
  if (drawn === random.length) {
    crypto.getRandomValues(random);
    drawn = 0;
  }
  const byte = random[drawn] ?? 0;
  drawn += 1;
  return byte;
}

/**
 * The event id of an output of an agent's run: a ULID that every process derives from the position of the output, so that
 * an output that is read again is stored once. The ids ascend within each stream. The random part holds 24 bits of the
 * run's span id, 1 of the stream, 32 of the line and 23 of the index: a stream ends at 4 GiB, and a line of at most 16 MiB
 * cannot contain 2^23 outputs.
 */
export function outputEventId(origin: RunOrigin, { stream, line, index }: OutputPlace): string {
  const run = Number.parseInt(origin.spanId.slice(0, 6), 16);
  const high = run * 2 ** 16 + (stream === 'stderr' ? 2 ** 15 : 0) + Math.floor(line / 2 ** 17);
  const low = (line % 2 ** 17) * 2 ** 23 + index;
  return inBase32(origin.startedAtMs, 10) + inBase32(high, 8) + inBase32(low, 8);
}

/** For numbers below 2^50. */
function inBase32(value: number, digits: number): string {
  let rest = value;
  let text = '';
  for (let i = 0; i < digits; i += 1) {
    text = DIGITS.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** `task-` and a lower-case ULID. Minted once, where the task enters the system. */
export function mintTaskId(): string {
  return `task-${mintMoment().eventId.toLowerCase()}`;
}

/** When `mintTaskId` made it; undefined for an id of another form. */
export function timeOfTaskId(taskId: string): number | undefined {
  const ulid = taskId.replace(/^task-/, '').toUpperCase();
  return isValid(ulid) ? decodeTime(ulid) : undefined;
}

const TOKEN_LENGTH = 4;

/** `workflow-{work_id}-{YYYYMMDDTHHMMSSZ}-{4 random}`. `_` replaces characters of the work item that a path cannot have. */
export function mintWorkflowId(workItemId: string | undefined): string {
  const { timeMs, eventId } = mintMoment();
  const stamp = isoFromMs(timeMs).replace(/\.\d{3}|[-:]/g, '');
  const work = (workItemId || 'none').replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, 64);
  return `workflow-${work}-${stamp}-${eventId.slice(-TOKEN_LENGTH).toLowerCase()}`;
}
