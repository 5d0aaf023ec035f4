import { isatty } from 'node:tty';
import { pickEnvironment } from '../../config/environment.ts';
import { createPaint, type Paint } from './terminal-text.ts';

/** Cells of a terminal that does not report its width, such as a serial line. */
const WIDTH = 80;

/** Paints where the stream is a terminal with colours and `NO_COLOR` is not set (https://no-color.org). */
export function paintFor(fd: 1 | 2): Paint {
  const { NO_COLOR, TERM } = pickEnvironment(['NO_COLOR', 'TERM']);
  return createPaint(isatty(fd) && (NO_COLOR ?? '') === '' && TERM !== 'dumb');
}

/** Cells in a line of standard output; undefined when that is no terminal, which means no limit. */
export function outputWidth(): number | undefined {
  if (!isatty(1)) return undefined;
  const { columns } = process.stdout;
  return typeof columns === 'number' && columns > 0 ? columns : WIDTH;
}
