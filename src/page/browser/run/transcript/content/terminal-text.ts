const ESC = '\u001b';

/** The form of eight bits of the beginning of a sequence. */
const CSI = '\u009b';

/** Titles and links of terminals (OSC), and the strings of devices. Without its end it is text like any other. */
const STRINGS = /(?:\x1b\]|\x9d)[^\x07\x1b\x9c\x9d\n]*(?:\x07|\x1b\\|\x9c)|\x1b[PX^_][^\x1b\n]*\x1b\\/g;

/** The address of a link or a title is shorter. A longer string is said to be there, because it can hide a text. */
const STRING_MAX = 200;

/** Cursor, screen and modes (CSI) but for colours, which end in `m` and have only digits. */
const SEQUENCES = /(?:\x1b\[|\x9b)(?![\d;:]*m)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z\\^-~]/g;

/** Colours whose parts stand behind colons (ISO 8613-6): `38:2::255:0:0`, `4:3`. */
const COLONS = /\x1b\[([\d;]*:[\d;:]*)m/g;

function withoutColons(_all: string, codes: string): string {
  const parts = codes.split(';').map((code) => {
    const [kind = '', form, ...values] = code.split(':');
    if (form === undefined) return kind;
    if (kind !== '38' && kind !== '48' && kind !== '58') return form === '0' && kind === '4' ? '24' : kind;
    // The space of colours may stand in front.
    return [kind, form, ...(form === '2' ? values.slice(-3) : values.slice(0, 1))].join(';');
  });
  return `${ESC}[${parts.filter((part) => !part.startsWith('58')).join(';')}m`;
}

/** What is left on a terminal of one line: without titles, links and movements, and what was written over. */
export function withoutMovements(text: string): string {
  const plain = text
    .replace(STRINGS, withoutString)
    .replace(SEQUENCES, '')
    .replaceAll(CSI, `${ESC}[`)
    .replace(COLONS, withoutColons);
  return plain.includes('\r') ? plain.split('\n').map(lastWritten).join('\n') : plain;
}

function withoutString(string: string): string {
  return string.length > STRING_MAX ? `⟦${string.length} hidden⟧` : '';
}

/** A progress bar writes over its line: the last state counts. That there were others is said, because it can hide a text. */
function lastWritten(line: string): string {
  const states = line.split('\r').filter((state) => state.trim() !== '');
  const last = states.at(-1) ?? '';
  return states.length < 2 ? last : `⟦${states.length - 1} overwritten⟧ ${last}`;
}

const COLOURS = /\x1b\[[\d;:]*m/g;

/** The text alone, for what is shown as no terminal shows it. */
export function withoutSequences(text: string): string {
  return text.includes(ESC) || text.includes(CSI) ? withoutMovements(text).replace(COLOURS, '') : text;
}
