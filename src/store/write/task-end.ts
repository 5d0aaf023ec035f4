import { type FinalResult, isTerminal, type Metadata } from '../../model/documents.ts';
import { isJsonObject, type JsonObject } from '../../model/json.ts';
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
    if (!isEnded(metadata)) return undefined;
    const before = this.#reported?.attempt === metadata.attempt ? this.#reported : undefined;
    if (before?.text === text) return undefined;
    const result = parseObject(text);
    if (!isResult(result)) return undefined;
    this.#reported = { attempt: metadata.attempt, text, result };
    return { metadata, result, before: before?.result };
  }
}

function parseObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    // Damaged by hand: it tells nothing.
    return {};
  }
}

/** Metadata is written last: until it says that the task is over, nobody was told of the result. */
function isEnded(metadata: JsonObject): metadata is JsonObject & Metadata {
  return isTerminal(metadata.status) && typeof metadata.attempt === 'number';
}

function isResult(result: JsonObject): result is JsonObject & FinalResult {
  return isTerminal(result.status) && isJsonObject(result.metrics);
}
