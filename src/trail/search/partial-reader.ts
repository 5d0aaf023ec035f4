import { mayBePartial, tellPartial } from '../../serve/partial-answer.ts';
import type { Reader } from '../../serve/reader.ts';
import { PartAwayError } from '../../warehouse/client.ts';

export interface PartialReaderOptions {
  /** Refuses what lacks a part of the store. */
  readonly whole: CountingReader;
  /** Answers with what is there. Keeps nothing that `whole` would use later. */
  openPartial(): CountingReader;
  /** Called when a part is away, and once an answer was whole again. */
  onPart?(problem: string | undefined): void;
}

/** What a partial reader has read stays in memory for so long: it is of use only while a part is away. */
const KEEP_MS = 60_000;

/** A reader that counts and knows what tasks wait for. */
export type CountingReader = Reader & Required<Pick<Reader, 'activityOf' | 'countTasks' | 'countFacets'>>;

/**
 * Reads all, or, for a request that can be told so, what is there while a part of the store is away. What is not found then may be
 * in the other part: the error stands. So it does for the feed and for streams: who follows them would pass over what is away.
 */
export function partialReader({ whole, openPartial, onPart }: PartialReaderOptions): Reader {
  let opened: { readonly reader: CountingReader; readonly untilMs: number } | undefined;
  const partial = (): CountingReader => {
    if (opened === undefined || performance.now() >= opened.untilMs)
      opened = { reader: openPartial(), untilMs: performance.now() + KEEP_MS };
    return opened.reader;
  };
  const read = async <T>(from: (reader: CountingReader) => Promise<T>): Promise<T> => {
    let away: PartAwayError;
    try {
      const value = await from(whole);
      opened = undefined;
      onPart?.(undefined);
      return value;
    } catch (error) {
      if (!(error instanceof PartAwayError)) throw error;
      away = error;
    }
    onPart?.(away.message);
    if (!mayBePartial()) throw away;
    const value = await from(partial()).catch(() => undefined);
    if (value === undefined || value === false || !tellPartial()) throw away;
    return value;
  };
  return {
    ...whole,
    hasTask: (taskId) => read((reader) => reader.hasTask(taskId)),
    readDocument: (taskId, document) => read((reader) => reader.readDocument(taskId, document)),
    openFlow: (taskId, flow) => read((reader) => reader.openFlow(taskId, flow)),
    openWindow: (taskId, flow, query) => read((reader) => reader.openWindow(taskId, flow, query)),
    openTrace: (taskId) => read((reader) => reader.openTrace(taskId)),
    listTasks: (query, signal) => read((reader) => reader.listTasks(query, signal)),
    listDeliveries: (query) => read((reader) => reader.listDeliveries(query)),
    listWorkflows: (query) => read((reader) => reader.listWorkflows(query)),
    readWorkflow: (workflowId) => read((reader) => reader.readWorkflow(workflowId)),
    activityOf: (metadata) => read((reader) => reader.activityOf(metadata)),
    countTasks: (query, signal) => read((reader) => reader.countTasks(query, signal)),
    countFacets: (query, signal) => read((reader) => reader.countFacets(query, signal)),
  };
}
