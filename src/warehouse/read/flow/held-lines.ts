import { givenId, type Place } from '../../line-order.ts';
import type { FlowLine, FlowPage, PageQuery } from './flow-page.ts';

/** The lines of a flow that is in memory, in their order. */
export class HeldLines {
  readonly lines: readonly FlowLine[];

  constructor(lines: readonly FlowLine[]) {
    this.lines = lines;
  }

  page({ after, before, isBackward = false, lines: limit, bytes: bytesMax }: Required<PageQuery>): FlowPage {
    const { lines } = this;
    const [start, end] = [
      after === undefined ? 0 : this.#firstFrom(after, true),
      before === undefined ? lines.length : this.#firstFrom(before, false),
    ];
    const step = isBackward ? -1 : 1;
    const begin = isBackward ? end - 1 : start;
    let at = begin;
    let bytes = 0;
    let last: FlowLine | undefined;
    for (; at >= start && at < end; at += step) {
      const line = lines[at] as FlowLine;
      // Lines at one place differ by their senders, and stay together.
      if (last?.at !== line.at || last.id !== line.id) {
        bytes += Buffer.byteLength(line.text);
        const count = Math.abs(at - begin);
        if (count >= limit || (bytes > bytesMax && last !== undefined)) break;
      }
      last = line;
    }
    const found = isBackward ? lines.slice(at + 1, end) : lines.slice(start, at);
    return {
      lines: found,
      isEnd: isBackward ? at < start : at >= end,
      first: found[0],
      last: found.at(-1),
    };
  }

  countBefore(place: Place): number {
    return this.#firstFrom(place, false);
  }

  /** The last one of that id. */
  find(id: string): Place | undefined {
    return this.lines.findLast((line) => line.id === id);
  }

  /** The number of the first line from a place on, or behind it. */
  #firstFrom(place: Place, isBehind: boolean): number {
    let [low, high] = [0, this.lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = compareToPlace(this.lines[middle] as FlowLine, place);
      if (order < 0 || (isBehind && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** In the order of `LineCollector`. */
function compareToPlace(line: FlowLine, place: Place): number {
  if (line.at !== place.at) return line.at - place.at;
  const id = givenId(place.id);
  return line.name < id ? -1 : Number(line.name > id);
}
