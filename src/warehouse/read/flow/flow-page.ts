import type { Place } from '../../line-order.ts';
import type { ReadLine } from '../../rows.ts';

/** A line of a flow, as readers get it. */
export interface FlowLine extends Place {
  /** As it was given. */
  readonly name: string;
  readonly text: string;
  /** The line itself, with the fields of its first row. */
  readonly line: ReadLine;
}

export interface PageQuery {
  readonly after?: Place | undefined;
  readonly before?: Place | undefined;
  /** The last lines before the end, not the first ones. They are given in their order all the same. */
  readonly isBackward?: boolean;
  readonly lines?: number;
  readonly bytes?: number;
}

/** A page of lines that stand for others. `isEnd`: there are no more in this direction. */
export interface FlowPage {
  readonly lines: readonly FlowLine[];
  readonly isEnd: boolean;
  /** The first and the last place that was read: the next page goes on there. */
  readonly first: Place | undefined;
  readonly last: Place | undefined;
}
