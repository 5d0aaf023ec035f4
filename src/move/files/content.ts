import type { LineKind } from '../../warehouse/write/stored-lines.ts';
import type { RowUnit } from '../rows/row-store.ts';

/** Lines that are written: those of the source, and those that only the target has. */
export interface Content {
  readonly unit: RowUnit;
  /** By kind. */
  readonly more: ReadonlyMap<LineKind, readonly string[]>;
}

/** The lines of a kind as a file. */
export async function* piecesOf({ unit, more }: Content, kind: LineKind): AsyncGenerator<Buffer> {
  for await (const texts of unit.texts(kind)) if (texts.length > 0) yield piece(texts);
  const rest = more.get(kind) ?? [];
  if (rest.length > 0) yield piece(rest);
}

function piece(texts: readonly string[]): Buffer {
  return Buffer.from(`${texts.join('\n')}\n`);
}
