import { cutText, type Paint, type Style, textWidth } from './terminal-text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** In cells; longer text is cut. Default: no limit. */
  readonly widthMax?: number;
  /** On a narrow terminal the column with the highest rank is left out first; rank 0 is always shown, and not cut. */
  readonly rank: number;
}

export interface Cell {
  readonly text: string;
  readonly style?: Style | undefined;
}

export interface Table {
  readonly header: string;
  /** One line of text without its newline. */
  row(cells: readonly Cell[]): string;
}

const GAP = '  ';

/** Cells that the last column, which gets the remaining width, needs at least: less of a message says nothing. */
const LAST_WIDTH_MIN = 20;

/**
 * A table whose columns are as wide as these rows need. Columns are left out and the last one is cut until a line fits
 * into `width` cells; undefined: no limit.
 */
export function createTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, paint }: { readonly width: number | undefined; readonly paint: Paint },
): Table {
  const natural = columns.map(({ title, widthMax = Number.POSITIVE_INFINITY }, index) =>
    Math.min(widthMax, Math.max(title.length, ...rows.map((row) => textWidth(row[index]?.text ?? '')))),
  );
  const kept = keepColumns(columns, natural, width);
  const last = kept.at(-1) ?? 0;
  const room = width === undefined ? (natural[last] ?? 0) : width - widthOf(kept.slice(0, -1), natural);
  const widths = natural.map((own, index) => (index === last ? Math.min(own, Math.max(room, 1)) : own));
  const line = (cells: readonly Cell[]): string =>
    kept
      .map((index) => {
        const { text = '', style } = cells[index] ?? {};
        const { align, rank } = columns[index] ?? {};
        const cell = rank === 0 ? text : cutText(text, widths[index] ?? 0);
        const blank = ' '.repeat(Math.max(0, (widths[index] ?? 0) - textWidth(cell)));
        const painted = paint(cell, style);
        if (align === 'right') return blank + painted;
        // No trailing blanks.
        return index === last ? painted : painted + blank;
      })
      .join(GAP);
  return { header: line(columns.map(({ title }) => ({ text: title, style: 'dim' }))), row: line };
}

/** The indexes of the columns that fit, in order. */
function keepColumns(
  columns: readonly Column[],
  natural: readonly number[],
  width: number | undefined,
): readonly number[] {
  let kept = columns.map((_, index) => index);
  if (width === undefined) return kept;
  const rankOf = (index: number): number => columns[index]?.rank ?? 0;
  for (;;) {
    const last = kept.at(-1) ?? 0;
    const need = widthOf(kept.slice(0, -1), natural) + Math.min(natural[last] ?? 0, LAST_WIDTH_MIN);
    const worst = Math.max(...kept.map(rankOf));
    if (need <= width || worst === 0) return kept;
    kept = kept.filter((index) => rankOf(index) !== worst);
  }
}

/** Cells of these columns, with the gap behind each. */
function widthOf(indexes: readonly number[], natural: readonly number[]): number {
  return indexes.reduce((sum, index) => sum + (natural[index] ?? 0) + GAP.length, 0);
}
