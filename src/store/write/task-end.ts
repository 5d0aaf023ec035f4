import { type FinalResult, isTerminal, type Metadata } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, parseObject } from '../../model/json.ts';
import type { TaskEnd } from './observer.ts';

interface StoredTexts {
  readonly metadata: string | undefined;
  readonly finalResult: string | undefined;
}

/** Which end of a task its two documents tell, and which of them was told before. */
export class ReportedEnd {
  #reported: { readonly attempt: number; readonly text: string; readonly result: FinalResult } | undefined;

  /** The documents as an earlier process left them: it has told what they say. */
  found(texts: StoredTexts): void {
    this.news(texts);
  }

  /** What the documents say that was not told before. From now on it is. */
  news({ metadata: metadataText, finalResult: text }: StoredTexts): TaskEnd | undefined {
    if (metadataText === undefined || text === undefined) return undefined;
    const metadata = parseObject(metadataText);
    // Damaged by hand: it reports nothing.
    if (metadata === undefined || !isEnded(metadata)) return undefined;
    const before = this.#reported?.attempt === metadata.attempt ? this.#reported : undefined;
    if (before?.text === text) return undefined;
    const result = parseObject(text);
    if (result === undefined || !isResult(result)) return undefined;
    this.#reported = { attempt: metadata.attempt, text, result };
    return { metadata, result, before: before?.result };
  }
}

/** Metadata is written last: until it says that the task is over, nobody was told of the result. */
function isEnded(metadata: JsonObject): metadata is JsonObject & Metadata {
  return isTerminal(metadata.status) && typeof metadata.attempt === 'number';
}

function isResult(result: JsonObject): result is JsonObject & FinalResult {
  return isTerminal(result.status) && isJsonObject(result.metrics);
}
