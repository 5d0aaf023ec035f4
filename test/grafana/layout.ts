import type { Dashboard, Panel } from '../support/dashboard-queries.ts';

/** Characters per grid column (of 24). The narrowest panel has four columns and shows 15 characters of its title. */
const COLUMN = 4;

/** Grid units per text line. The lowest panels are four units high and need one line for the title. */
const LINE = 3;

/** Draws the dashboard as text: one box per panel at its grid position, rows as titles in a border line. */
export function layoutOf({ panels }: Dashboard): string {
  const edges = [...new Set(panels.flatMap(({ gridPos: { y, h } }) => [y, y + h]))].sort((a, b) => a - b);
  const lines = new Map<number, number>([[edges[0] ?? 0, 0]]);
  for (const [index, edge] of edges.entries()) {
    const next = edges[index + 1];
    if (next !== undefined) lines.set(next, (lines.get(edge) ?? 0) + Math.ceil((next - edge) / LINE));
  }
  const lineOf = (y: number): number => lines.get(y) ?? 0;
  const height = lineOf(edges.at(-1) ?? 0) + 1;
  const canvas = Array.from({ length: height }, () => Array<string>(24 * COLUMN + 1).fill(' '));
  const write = (text: string, x: number, y: number): void => {
    for (const [index, character] of [...text].entries()) {
      const row = canvas[y];
      if (row !== undefined) row[x + index] = character;
    }
  };
  for (const { gridPos } of panels.filter(({ type }) => type !== 'row')) {
    const [left, right] = [gridPos.x * COLUMN, (gridPos.x + gridPos.w) * COLUMN];
    const [top, bottom] = [lineOf(gridPos.y), lineOf(gridPos.y + gridPos.h)];
    for (let line = top; line <= bottom; line++) {
      const isEdge = line === top || line === bottom;
      if (isEdge) write(`+${'-'.repeat(right - left - 1)}+`, left, line);
      else for (const x of [left, right]) write('|', x, line);
    }
  }
  for (const panel of panels) write(...titleOf(panel, lineOf(panel.gridPos.y)));
  return canvas.map((row) => row.join('').trimEnd()).join('\n');
}

function titleOf({ type, title, gridPos: { x, w } }: Panel, line: number): [string, number, number] {
  const room = w * COLUMN - 1;
  const text = title.length > room ? `${title.slice(0, room - 1)}~` : title;
  return type === 'row' ? [`-- ${text} --`, x * COLUMN + 1, line] : [text, x * COLUMN + 1, line + 1];
}
