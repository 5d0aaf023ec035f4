/** A line as places know it. */
export interface LineName {
  /** When it came, as `arrivalOf`. */
  readonly arrived: string;
  readonly run: string;
  readonly seq: number;
}

/** Lines of a run with numbers behind each other. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  /** When the last one came; '' where a client has said so, and it is not known. */
  readonly latest: string;
}

/** A place is that of a client: it is only as long as what a header may hold. */
const PLACE = /^[0-9a-z]{1,13}(?:\.[0-9a-z]{1,8}(?:_[0-9a-z]{1,9}){1,400})*$/;

const RUN = /^[0-9a-z]{1,8}$/;

/** Digits of the nanoseconds within a millisecond, to the base 36. */
const NANOS_DIGITS = 4;
const NANOS = 1_000_000;

/** Whether the fields of a row name a line. */
export function isRun(run: string | undefined): run is string {
  return run !== undefined && RUN.test(run);
}

/**
 * Which lines a reader has got: all up to a time, and of those behind it the numbers in each run. The same in any process, and
 * it holds whatever becomes visible later: a line has its number since it was stored.
 */
export class GotLines {
  readonly #until: string;
  readonly #runs: Map<string, readonly Stretch[]>;
  #text: string | undefined;

  /** `until`: as `arrivalOf`; '' for none. */
  constructor(until: string = '', runs: ReadonlyMap<string, readonly Stretch[]> = new Map()) {
    this.#until = until;
    this.#runs = new Map(runs);
  }

  /** Undefined for what is no place. */
  static parse(text: string): GotLines | undefined {
    if (!PLACE.test(text)) return undefined;
    const [time = '', ...words] = text.split('.');
    const until = parseTime(time);
    if (until === undefined) return undefined;
    const runs = new Map<string, readonly Stretch[]>();
    for (const word of words) {
      const [run = '', ...digits] = word.split('_');
      const numbers = digits.map((one) => Number.parseInt(one, 36));
      const ends = numbers.length === 1 ? [0, ...numbers] : numbers;
      if (ends.length % 2 !== 0) return undefined;
      const stretches: Stretch[] = [];
      for (let at = 0; at < ends.length; at += 2) {
        const [from = 0, to = 0] = ends.slice(at, at + 2);
        if (to < from || from <= (stretches.at(-1)?.to ?? -1)) return undefined;
        stretches.push({ from, to, latest: '' });
      }
      runs.set(run, stretches);
    }
    return new GotLines(until, runs);
  }

  get until(): string {
    return this.#until;
  }

  /** Letters, digits, `.` and `_`. */
  get text(): string {
    this.#text ??= [
      timeText(this.#until),
      ...[...this.#runs]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([run, stretches]) => run + textOf(stretches)),
    ].join('.');
    return this.#text;
  }

  has({ arrived, run, seq }: LineName): boolean {
    return arrived <= this.#until || this.count(run, seq, seq) === 1;
  }

  /** How many numbers of a part of a run it has. */
  count(run: string, from: number, to: number): number {
    let count = 0;
    for (const stretch of this.#runs.get(run) ?? [])
      count += Math.max(0, Math.min(to, stretch.to) - Math.max(from, stretch.from) + 1);
    return count;
  }

  /** The first number from one on that it does not have. */
  firstMissing(run: string, from: number): number {
    let first = from;
    for (const stretch of this.#runs.get(run) ?? [])
      if (stretch.from <= first && stretch.to >= first) first = stretch.to + 1;
    return first;
  }

  /** With these lines. */
  with(lines: readonly LineName[]): GotLines {
    const got = new GotLines(this.#until, this.#runs);
    for (const line of lines) got.#add(line);
    return got;
  }

  /** With all lines up to a time. */
  upTo(until: string): GotLines {
    if (until <= this.#until) return this;
    const runs = new Map<string, readonly Stretch[]>();
    for (const [run, stretches] of this.#runs) {
      const kept = stretches.filter(({ latest }) => latest === '' || latest > until);
      if (kept.length > 0) runs.set(run, kept);
    }
    return new GotLines(until, runs);
  }

  /** With what another one has behind its time. */
  and(other: GotLines): GotLines {
    const got = new GotLines(this.#until > other.#until ? this.#until : other.#until, this.#runs);
    for (const [run, stretches] of other.#runs)
      got.#runs.set(run, stretches.reduce(merged, got.#runs.get(run) ?? []));
    return got;
  }

  /** Whether it has all numbers that another one names. */
  covers(other: GotLines): boolean {
    return [...other.#runs].every(([run, stretches]) =>
      stretches.every(({ from, to }) => this.count(run, from, to) === to - from + 1),
    );
  }

  /** The numbers of each run, for a query that leaves them out. At most so many. */
  stretches(max: number): readonly { readonly run: string; readonly from: number; readonly to: number }[] {
    return [...this.#runs]
      .flatMap(([run, stretches]) => stretches.map(({ from, to }) => ({ run, from, to })))
      .slice(0, max);
  }

  #add({ arrived, run, seq }: LineName): void {
    const stretches = this.#runs.get(run) ?? [];
    const last = stretches.at(-1);
    // As a rule the next one.
    const added =
      last !== undefined && last.to === seq - 1
        ? [...stretches.slice(0, -1), { from: last.from, to: seq, latest: arrived }]
        : merged(stretches, { from: seq, to: seq, latest: arrived });
    this.#runs.set(run, added);
    this.#text = undefined;
  }
}

function merged(stretches: readonly Stretch[], added: Stretch): readonly Stretch[] {
  const apart = stretches.filter(({ from, to }) => to < added.from - 1 || from > added.to + 1);
  const joined = [...stretches.filter((one) => !apart.includes(one)), added];
  const to = Math.max(...joined.map((one) => one.to));
  const latest = joined.find((one) => one.to === to && one.latest !== '')?.latest ?? '';
  const from = Math.min(...joined.map((one) => one.from));
  return [...apart, { from, to, latest }].sort((a, b) => a.from - b.from);
}

function textOf(stretches: readonly Stretch[]): string {
  const [first] = stretches;
  if (stretches.length === 1 && first?.from === 0) return `_${first.to.toString(36)}`;
  return stretches.map(({ from, to }) => `_${from.toString(36)}_${to.toString(36)}`).join('');
}

function timeText(until: string): string {
  if (until === '') return '0';
  const nanos = Number(until.slice(-7, -1));
  return Date.parse(until).toString(36) + nanos.toString(36).padStart(NANOS_DIGITS, '0');
}

function parseTime(text: string): string | undefined {
  if (text === '0') return '';
  const ms = Number.parseInt(text.slice(0, -NANOS_DIGITS), 36);
  const nanos = Number.parseInt(text.slice(-NANOS_DIGITS), 36);
  if (!(ms >= MS_MIN && ms <= MS_MAX && nanos < NANOS)) return undefined;
  return `${new Date(ms).toISOString().slice(0, -1)}${String(nanos).padStart(6, '0')}Z`;
}

/** The year 2000, and the year 9999: texts of later ones are longer, and in another order. */
const MS_MIN = 946_684_800_000;
const MS_MAX = 253_402_300_799_999;
