import { TasktrailError } from '../../../errors.ts';
import type { FlowWindow, WindowQuery } from '../../../model/task-reading.ts';
import { isName } from '../../../store/read/window/line-name.ts';
import { type Place, storedId } from '../../line-order.ts';
import type { FlowLine } from './flow-page.ts';
import type { FlowView } from './flow-view.ts';

/** As of files: a window ends before this many bytes of lines. A longer line is a window of its own. */
const WINDOW_BYTES_MAX = 16 * 1_048_576;

/** `@12`: the thirteenth line. */
const NUMBER = /^@(\d{1,15})$/;

interface Numbered {
  readonly place: Place;
  readonly number: number;
}

/** Opens a part of a flow. Throws `ERR_GONE` when it has no line of that id. */
export async function openLineWindow(view: FlowView, query: WindowQuery): Promise<FlowWindow> {
  const { after, before, tail, limit } = query;
  const [behind, end] = [
    after === undefined ? undefined : await locate(view, 'after', after),
    before === undefined ? undefined : await locate(view, 'before', before),
  ];
  const isBackward = behind === undefined && (end !== undefined || tail !== undefined);
  const lines = await collect(view, {
    ...{ after: behind?.place, before: end?.place, isBackward },
    limit: isBackward ? (tail ?? limit) : limit,
  });
  const endNumber = isBackward ? view.lineCount : (end?.number ?? view.lineCount);
  const to = isBackward ? (end?.number ?? view.lineCount) : (behind?.number ?? -1) + 1 + lines.length;
  const from = to - lines.length;
  const name = (number: number): string => {
    const id = lines[number - from]?.name;
    return id !== undefined && isName(id) ? id : `@${number}`;
  };
  return {
    skippedLines: 0,
    firstLine: from,
    lineCount: view.lineCount,
    leftOut: [],
    next: to < endNumber && to > 0 ? name(to - 1) : undefined,
    previous: from > 0 ? name(from) : undefined,
    lines: async function* () {
      for (const { text } of lines) yield text;
    },
    close: async () => {},
  };
}

interface Wanted {
  readonly after: Place | undefined;
  readonly before: Place | undefined;
  readonly isBackward: boolean;
  readonly limit: number;
}

/** A page may have fewer lines than asked for, and more behind it. */
async function collect(view: FlowView, wanted: Wanted): Promise<readonly FlowLine[]> {
  const { isBackward, limit } = wanted;
  let { after, before } = wanted;
  let lines: FlowLine[] = [];
  let bytes = 0;
  while (lines.length < limit && bytes < WINDOW_BYTES_MAX) {
    const left = { lines: limit - lines.length, bytes: WINDOW_BYTES_MAX - bytes };
    const page = await view.page({ after, before, isBackward, ...left });
    const more = page.lines.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    if (lines.length > 0 && bytes + more > WINDOW_BYTES_MAX) break;
    bytes += more;
    lines = isBackward ? [...page.lines, ...lines] : [...lines, ...page.lines];
    if (page.isEnd) break;
    if (isBackward) before = page.first;
    else after = page.last;
  }
  return lines;
}

async function locate(view: FlowView, parameter: string, id: string): Promise<Numbered> {
  const number = NUMBER.exec(id)?.[1];
  if (number !== undefined && Number(number) < view.lineCount) {
    const place = await view.nth(Number(number));
    if (place !== undefined) return { place, number: Number(number) };
  }
  const place = await view.find(storedId(id));
  if (place !== undefined) return { place, number: await view.countBefore(place) };
  throw new TasktrailError('ERR_GONE', `${parameter}: no line of this file has that id`);
}
