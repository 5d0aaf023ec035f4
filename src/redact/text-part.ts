/** Before and behind the places of a part that are looked at. No hint is longer. */
export const MARGIN_CHARS = 64;

const PART_CHARS = 16 * 1024;

/** Stand behind the end of a text: as many as are looked at with its last unit. */
const BLANK = 0x20;
const BLANKS = 2;

/** Shorter texts are copied unit by unit: a call of `write` would cost more. */
const SHORT_CHARS = 40;

const IS_BIG_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

/** A part of a text as an array: its units are read several times faster than those of a string. */
export class TextPart {
  text = '';
  readonly units: Uint16Array = new Uint16Array(PART_CHARS + BLANKS);
  /** Where the part begins in the text: `units[at - low]` is the unit at `at`. */
  low = 0;
  /** Up to where hints are looked for: they may reach into what follows. */
  stop = 0;
  /** The same memory as the units, for writing. */
  readonly #buffer: Buffer = Buffer.from(this.units.buffer);

  /** Copies what stands around `at`, and what follows. */
  moveTo(at: number): void {
    const { text, units } = this;
    const low = Math.max(0, at - MARGIN_CHARS);
    const high = Math.min(text.length, low + PART_CHARS);
    const length = high - low;
    this.low = low;
    this.stop = high === text.length ? high : high - MARGIN_CHARS;
    if (text.length <= SHORT_CHARS)
      for (let index = 0; index < length; index += 1) units[index] = text.charCodeAt(low + index);
    else this.#write(length === text.length ? text : text.slice(low, high));
    units[length] = BLANK;
    units[length + 1] = BLANK;
  }

  #write(text: string): void {
    const bytes = text.length * 2;
    this.#buffer.write(text, 0, bytes, 'utf16le');
    if (IS_BIG_ENDIAN) this.#buffer.subarray(0, bytes).swap16();
  }
}

/** A scan may begin while another stands at a hint: each has a part of its own. */
const parts: TextPart[] = [];
let open = 0;

export function openPart(text: string): TextPart {
  const part = parts[open] ?? new TextPart();
  parts[open] = part;
  open += 1;
  part.text = text;
  return part;
}

/** The part that was opened last. */
export function closePart(part: TextPart): void {
  open -= 1;
  part.text = '';
}
