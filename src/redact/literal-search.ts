/** Characters of a block: enough that few places of a text look like part of a literal. */
const BLOCK = 3;

const TABLE_BITS = 12;
const TABLE_MASK = (1 << TABLE_BITS) - 1;

/** Whether one of the literals stands in the text. */
export type LiteralSearch = (text: string) => boolean;

/**
 * A search for any of some literals, the shortest of at least `BLOCK` characters. After Wu and Manber, "A fast algorithm for
 * multi-pattern searching" (1994): it looks at one block in as many characters as the shortest literal has, less two. An
 * alternation of a regular expression looks at each character for each literal.
 */
export function literalSearch(literals: readonly string[]): LiteralSearch {
  const length = Math.min(...literals.map((literal) => literal.length));
  if (literals.length === 0) return () => false;
  const farthest = length - BLOCK + 1;
  /** How far the end of a literal's beginning is from the end of this block at least. */
  const shifts = new Uint8Array(1 << TABLE_BITS).fill(Math.min(farthest, 255));
  const candidates = new Map<number, string[]>();
  for (const literal of literals) {
    for (let end = BLOCK - 1; end < length; end += 1) {
      const block = blockAt(literal, end);
      shifts[block] = Math.min(shifts[block] ?? 0, length - 1 - end);
    }
    const last = blockAt(literal, length - 1);
    candidates.set(last, [...(candidates.get(last) ?? []), literal]);
  }
  return (text) => {
    for (let end = length - 1; end < text.length; ) {
      const block = blockAt(text, end);
      const shift = shifts[block] as number;
      if (shift === 0 && candidates.get(block)?.some((one) => text.startsWith(one, end - length + 1)))
        return true;
      end += shift || 1;
    }
    return false;
  };
}

function blockAt(text: string, end: number): number {
  return (
    ((text.charCodeAt(end - 2) << 7) ^ (text.charCodeAt(end - 1) << 4) ^ text.charCodeAt(end)) & TABLE_MASK
  );
}
