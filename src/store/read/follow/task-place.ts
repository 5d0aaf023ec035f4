import { BEGINNING, type Place, parsePlace } from '../../places/place.ts';
import type { DocumentsSeen } from './tasks-stream.ts';

/** What a reader of a task has got. */
export interface TaskPlace {
  readonly stage: Place;
  readonly line: Place;
  readonly span: Place;
  /** Checksums of the last metadata and result; 0 for none. */
  readonly metadata: number;
  readonly result: number;
  /** Whether it has got the end. */
  readonly isOver: boolean;
}

export const TASK_BEGINNING: TaskPlace = {
  stage: BEGINNING,
  line: BEGINNING,
  span: BEGINNING,
  metadata: 0,
  result: 0,
  isOver: false,
};

/** Of the places in the three files, as texts, and the documents. */
export function taskPlaceText(files: readonly string[], { metadata, result, isOver }: DocumentsSeen): string {
  return `${files.join('.')}.${metadata.toString(36)}_${result.toString(36)}_${isOver ? 1 : 0}`;
}

/** Undefined for a text that `taskPlaceText` has not made. */
export function parseTaskPlace(text: string): TaskPlace | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const [stage, line, span] = parts.slice(0, 3).map(parsePlace);
  const documents = /^([0-9a-z]{1,7})_([0-9a-z]{1,7})_([01])$/.exec(parts[3] ?? '');
  if (stage === undefined || line === undefined || span === undefined || documents === null) return undefined;
  return {
    stage,
    line,
    span,
    metadata: Number.parseInt(documents[1] ?? '0', 36),
    result: Number.parseInt(documents[2] ?? '0', 36),
    isOver: documents[3] === '1',
  };
}
