import { isatty } from 'node:tty';
import { pickEnvironment } from '../../config/environment.ts';
import { createPaint, type Paint } from './terminal-text.ts';

/** A terminal that does not say how wide it is (a serial line, a recorder) is as wide as they always were. */
const WIDTH = 80;

/** Whether the stream is a terminal that shows colours, and nobody has asked for none (https://no-color.org). */
export function paintFor(fd: 1 | 2): Paint {
  const { NO_COLOR, TERM } = pickEnvironment(['NO_COLOR', 'TERM']);
  return createPaint(isatty(fd) && (NO_COLOR ?? '') === '' && TERM !== 'dumb');
}

/** Cells in a line of standard output; undefined when that is no terminal, where nothing has to fit. */
export function outputWidth(): number | undefined {
  if (!isatty(1)) return undefined;
  const { columns } = process.stdout;
  return typeof columns === 'number' && columns > 0 ? columns : WIDTH;
}
