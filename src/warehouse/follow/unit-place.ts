import { crc32 } from 'node:zlib';
import type { DocumentsSeen } from '../../store/read/follow/tasks-stream.ts';
import { GotLines } from './got-lines.ts';

/** A line of what was there when a reader began: of which flow, and where in it. */
export interface HistoryPlace {
  /** Number of the flow: stages, output, spans. */
  readonly flow: number;
  /** Undefined: before its first line. */
  readonly at: number | undefined;
  /** `lineSum` of its id. */
  readonly sum: number;
}

/** What a reader of a task has got. */
export interface UnitPlace extends DocumentsSeen {
  /** Undefined: all that was there is sent. */
  readonly history: HistoryPlace | undefined;
  /** `GotLines.text`: what was there, or what it has got. Undefined: it begins. */
  readonly got: string | undefined;
}

export const UNIT_BEGINNING: UnitPlace = {
  metadata: 0,
  result: 0,
  isOver: false,
  history: undefined,
  got: undefined,
};

const WORD = /^([0-9a-z]{1,7})_([0-9a-z]{1,7})_([01])(?:_([012])(?:_([0-9a-z]{1,10})_([0-9a-z]{1,7}))?)?$/;

/** Letters, digits, `.` and `_`. */
export function unitPlaceText({ metadata, result, isOver, history, got = '0' }: UnitPlace): string {
  const documents = `${metadata.toString(36)}_${result.toString(36)}_${isOver ? 1 : 0}`;
  return `${documents}${historyText(history)}.${got}`;
}

/** Undefined for a text that `unitPlaceText` has not made. */
export function parseUnitPlace(text: string): UnitPlace | undefined {
  const border = text.indexOf('.');
  const words = WORD.exec(text.slice(0, border));
  const got = text.slice(border + 1);
  if (border < 0 || words === null || GotLines.parse(got) === undefined) return undefined;
  const [, metadata, result, isOver, flow, at, sum] = words;
  return {
    metadata: numberIn(metadata),
    result: numberIn(result),
    isOver: isOver === '1',
    history:
      flow === undefined
        ? undefined
        : { flow: Number(flow), at: at === undefined ? undefined : numberIn(at), sum: numberIn(sum) },
    got,
  };
}

/** Of an id as it is stored: long ones make long places. */
export function lineSum(id: string): number {
  return crc32(id);
}

function historyText(history: HistoryPlace | undefined): string {
  if (history === undefined) return '';
  const { flow, at, sum } = history;
  return at === undefined ? `_${flow}` : `_${flow}_${at.toString(36)}_${sum.toString(36)}`;
}

function numberIn(text: string | undefined): number {
  return Number.parseInt(text ?? '0', 36);
}
