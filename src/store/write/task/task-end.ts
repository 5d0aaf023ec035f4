import { type FinalResult, isTerminal, type Metadata } from '../../../model/documents.ts';
import { isJsonObject, type JsonObject, parseObject } from '../../../model/json.ts';
import type { TaskEnd } from '../observer.ts';

interface StoredTexts {
  readonly metadata: string | undefined;
  readonly finalResult: string | undefined;
}

/** Tracks which end of a task was reported, from its two documents. */
export class ReportedEnd {
  #reported: { readonly attempt: number; readonly text: string; readonly result: FinalResult } | undefined;

  /** Marks the documents of an earlier process as reported. */
  markReported(texts: StoredTexts): void {
    this.report(texts);
  }

  /** Returns the end that was not reported yet and marks it as reported. */
  report({ metadata: metadataText, finalResult: text }: StoredTexts): TaskEnd | undefined {
    if (metadataText === undefined || text === undefined) return undefined;
    const metadata = parseObject(metadataText);
    // A damaged document is not reported.
    if (metadata === undefined || !isEnded(metadata)) return undefined;
    const before = this.#reported?.attempt === metadata.attempt ? this.#reported : undefined;
    if (before?.text === text) return undefined;
    const result = parseObject(text);
    if (result === undefined || !isResult(result)) return undefined;
    this.#reported = { attempt: metadata.attempt, text, result };
    return { metadata, result, before: before?.result };
  }
}

/** Metadata is written last: the result counts only once the status is terminal. */
function isEnded(metadata: JsonObject): metadata is JsonObject & Metadata {
  return isTerminal(metadata.status) && typeof metadata.attempt === 'number';
}

function isResult(result: JsonObject): result is JsonObject & FinalResult {
  return isTerminal(result.status) && isJsonObject(result.metrics);
}
